# shellcheck shell=bash
# Sourced by dist_train.sh and dist_test.sh: TORCHRUN starts GPUS processes on each of NNODES machines.
# Processes meet by c10d: at a static rendezvous (--master_port) those that PET_MAX_RESTARTS starts again do not.
refuse() {
    echo "$0: $1" >&2
    exit 2
}
NNODES=${NNODES:-1}
PORT=${PORT:-${MASTER_PORT:-}}
[[ $GPUS =~ ^[1-9][0-9]*$ ]] || refuse "GPUS is the number of processes on this machine, 1 or more, not '$GPUS'"
[[ $NNODES =~ ^[1-9][0-9]*(:[1-9][0-9]*)?$ ]] || refuse "NNODES is the number of machines, 1 or more, not '$NNODES'"
if [ -n "$PORT" ] && { ! [[ $PORT =~ ^[0-9]{1,5}$ ]] || [ "$PORT" -gt 65535 ]; }; then
    refuse "PORT is a number to 65535, not '$PORT'"
fi
if [ "$NNODES" = 1 ]; then
    ENDPOINT=127.0.0.1:${PORT:-0} # 0 is any free port
    HOST=1
else
    if [ -z "${MASTER_ADDR:-}" ] || [ -z "${NODE_RANK:-}" ]; then
        refuse "NNODES=$NNODES needs MASTER_ADDR, the address of the first machine, and NODE_RANK, 0 on that machine"
    fi
    [[ $NODE_RANK =~ ^[0-9]{1,5}$ ]] && [ "$NODE_RANK" -lt "${NNODES#*:}" ] ||
        refuse "NODE_RANK is the number of this machine, from 0 to below NNODES=$NNODES, not '$NODE_RANK'"
    ENDPOINT=$MASTER_ADDR:${PORT:-29500}
    HOST=$((10#$NODE_RANK == 0))
fi
if [ "$HOST" = 1 ] && [ "${PORT:-0}" != 0 ] && (: <"/dev/tcp/127.0.0.1/$PORT") 2>/dev/null; then
    refuse "PORT=$PORT is taken on this machine, perhaps by another run: choose another port"
fi
# torchrun keeps one store over all restarts, in which processes would find the addresses of those that died
export TORCH_DISABLE_SHARE_RDZV_TCP_STORE=${TORCH_DISABLE_SHARE_RDZV_TCP_STORE:-1}
TORCHRUN=("${PYTHON:-python}" -m torch.distributed.run
    --nnodes="$NNODES" --nproc_per_node="$GPUS"
    --rdzv_backend=c10d --rdzv_endpoint="$ENDPOINT" --rdzv_id="${RDZV_ID:-mmhvt}" --rdzv_conf="is_host=$HOST")

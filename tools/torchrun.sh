# shellcheck shell=bash
# Sourced by dist_train.sh and dist_test.sh: TORCHRUN starts GPUS processes on each of NNODES machines.
# Processes meet by c10d: at a static rendezvous (--master_port) those that PET_MAX_RESTARTS starts again do not.
if ! [[ $GPUS =~ ^[1-9][0-9]*$ ]]; then
    echo "$0: GPUS is the number of processes on this machine, 1 or more, not '$GPUS'" >&2
    exit 2
fi
NNODES=${NNODES:-1}
PORT=${PORT:-${MASTER_PORT:-}}
if [ "$NNODES" = 1 ]; then
    ENDPOINT=127.0.0.1:${PORT:-0} # 0 is any free port
    HOST=1
else
    if [ -z "${MASTER_ADDR:-}" ] || [ -z "${NODE_RANK:-}" ]; then
        echo "$0: NNODES=$NNODES needs MASTER_ADDR, the address of the first machine, and NODE_RANK, 0 on that machine" >&2
        exit 2
    fi
    ENDPOINT=$MASTER_ADDR:${PORT:-29500}
    HOST=$((NODE_RANK == 0))
fi
TORCHRUN=("${PYTHON:-python}" -m torch.distributed.run
    --nnodes="$NNODES" --nproc_per_node="$GPUS"
    --rdzv_backend=c10d --rdzv_endpoint="$ENDPOINT" --rdzv_id="${RDZV_ID:-mmhvt}" --rdzv_conf="is_host=$HOST")

#!/usr/bin/env bash
# Trains on several GPUs of one or more machines: bash tools/dist_train.sh CONFIG GPUS [train.py arguments]
# NNODES, NODE_RANK, MASTER_ADDR, PORT say which machines. The backend is env_cfg.dist_cfg.backend of the
# config: nccl on GPUs, gloo on CPUs (as many processes as GPUS says).
set -euo pipefail
if [ $# -lt 2 ]; then
    echo "usage: bash $0 CONFIG GPUS [train.py arguments]" >&2
    exit 2
fi
CONFIG=$1
GPUS=$2
shift 2

exec "${PYTHON:-python}" -m torch.distributed.run \
    --nnodes="${NNODES:-1}" --node_rank="${NODE_RANK:-0}" --nproc_per_node="$GPUS" \
    --master_addr="${MASTER_ADDR:-127.0.0.1}" --master_port="${PORT:-29500}" \
    "$(dirname "$0")/train.py" "$CONFIG" --launcher pytorch "$@"

#!/usr/bin/env bash
# Tests on several GPUs of one or more machines: bash tools/dist_test.sh CONFIG CHECKPOINT GPUS [test.py arguments]
# NNODES, NODE_RANK, MASTER_ADDR, PORT say which machines. The backend is env_cfg.dist_cfg.backend of the
# config: nccl on GPUs, gloo on CPUs (as many processes as GPUS says).
set -euo pipefail
if [ $# -lt 3 ]; then
    echo "usage: bash $0 CONFIG CHECKPOINT GPUS [test.py arguments]" >&2
    exit 2
fi
CONFIG=$1
CHECKPOINT=$2
GPUS=$3
shift 3

exec "${PYTHON:-python}" -m torch.distributed.run \
    --nnodes="${NNODES:-1}" --node_rank="${NODE_RANK:-0}" --nproc_per_node="$GPUS" \
    --master_addr="${MASTER_ADDR:-127.0.0.1}" --master_port="${PORT:-29500}" \
    "$(dirname "$0")/test.py" "$CONFIG" "$CHECKPOINT" --launcher pytorch "$@"

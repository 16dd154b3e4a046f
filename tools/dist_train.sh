#!/usr/bin/env bash
# Trains on several GPUs of one or more machines: bash tools/dist_train.sh CONFIG GPUS [train.py arguments]
# It is torchrun, with the arguments that users of OpenMMLab know. NNODES, NODE_RANK, MASTER_ADDR and PORT say which
# machines. PET_MAX_RESTARTS=3 starts all processes again when one dies; they go on from the newest checkpoint.
# The backend is env_cfg.dist_cfg.backend of the config: nccl on GPUs, gloo on CPUs (as many processes as GPUS says).
set -euo pipefail
if [ $# -lt 2 ]; then
    echo "usage: bash $0 CONFIG GPUS [train.py arguments]" >&2
    exit 2
fi
CONFIG=$1
GPUS=$2
shift 2
. "$(dirname "$0")/torchrun.sh"

exec "${TORCHRUN[@]}" "$(dirname "$0")/train.py" "$CONFIG" --launcher pytorch "$@"

#!/usr/bin/env bash
# Tests on several GPUs of one or more machines: bash tools/dist_test.sh CONFIG CHECKPOINT GPUS [test.py arguments]
# It is torchrun, with the arguments that users of OpenMMLab know. NNODES, NODE_RANK, MASTER_ADDR and PORT say which
# machines. The backend is env_cfg.dist_cfg.backend of the config: nccl on GPUs, gloo on CPUs (as many processes as
# GPUS says).
set -euo pipefail
if [ $# -lt 3 ]; then
    echo "usage: bash $0 CONFIG CHECKPOINT GPUS [test.py arguments]" >&2
    exit 2
fi
CONFIG=$1
CHECKPOINT=$2
GPUS=$3
shift 3
. "$(dirname "$0")/torchrun.sh"

exec "${TORCHRUN[@]}" "$(dirname "$0")/test.py" "$CONFIG" "$CHECKPOINT" --launcher pytorch "$@"

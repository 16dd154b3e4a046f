# For the smallest models, which train in minutes on a CPU.
_base_ = ['default_runtime.py']

# several processes, on CPUs or on as many GPUs: bash tools/dist_train.sh CONFIG 2
env_cfg = dict(dist_cfg=dict(backend='gloo'))
default_hooks = dict(checkpoint=dict(max_keep_ckpts=1))
randomness = dict(seed=0)

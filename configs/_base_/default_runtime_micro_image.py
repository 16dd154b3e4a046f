# For the smallest models on images, which train in minutes on a CPU.
_base_ = ['default_runtime_image.py']

# several processes, on CPUs or on as many GPUs: bash tools/dist_train.sh CONFIG 2
env_cfg = dict(dist_cfg=dict(backend='gloo'))
default_hooks = dict(
    checkpoint=dict(interval=5, max_keep_ckpts=1),
    logger=dict(interval=20))
randomness = dict(seed=0)

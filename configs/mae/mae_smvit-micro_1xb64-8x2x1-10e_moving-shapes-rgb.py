# Masked pre-training on generated videos: the smallest run of `mmhvt.MAE`.
#   mim train mmpretrain configs/mae/mae_smvit-micro_1xb64-8x2x1-10e_moving-shapes-rgb.py
_base_ = [
    '../_base_/models/mae_smvit_micro.py',
    '../_base_/datasets/moving_shapes_mae.py',
    '../_base_/default_runtime_image.py'
]

train_cfg = dict(type='EpochBasedTrainLoop', max_epochs=10)

optim_wrapper = dict(
    type='OptimWrapper',
    optimizer=dict(type='AdamW', lr=1e-3, betas=(0.9, 0.95), weight_decay=0.05),
    clip_grad=dict(max_norm=1))
param_scheduler = [
    dict(
        type='OneCycleLR',
        eta_max=1e-3,
        pct_start=0.2,
        by_epoch=True,
        begin=0,
        end=10,
        total_steps=10,
        convert_to_iter_based=True)
]
auto_scale_lr = dict(enable=False, base_batch_size=16)  # videos

default_hooks = dict(
    checkpoint=dict(max_keep_ckpts=1),
    logger=dict(interval=20),
    # names videos that cannot be read
    unreadable_video=dict(type='mmhvt.UnreadableVideoHook'))
randomness = dict(seed=0)
# several processes, on CPUs or on as many GPUs
env_cfg = dict(dist_cfg=dict(backend='gloo'))

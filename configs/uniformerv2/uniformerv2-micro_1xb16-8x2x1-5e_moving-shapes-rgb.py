# The smallest UniFormerV2 on generated videos.
_base_ = [
    '../_base_/models/uniformerv2_micro.py',
    '../_base_/datasets/moving_shapes.py',
    '../_base_/default_runtime.py'
]

train_cfg = dict(type='EpochBasedTrainLoop', max_epochs=5, val_interval=1)
val_cfg = dict(type='ValLoop')
test_cfg = dict(type='TestLoop')

optim_wrapper = dict(
    type='OptimWrapper',
    optimizer=dict(type='AdamW', lr=3e-3, weight_decay=0.05),
    clip_grad=dict(max_norm=1))
param_scheduler = [
    dict(
        type='OneCycleLR',
        eta_max=3e-3,
        pct_start=0.3,
        by_epoch=True,
        begin=0,
        end=5,
        total_steps=5,
        convert_to_iter_based=True)
]

# processes on CPUs, or on GPUs of a machine that has as many
env_cfg = dict(dist_cfg=dict(backend='gloo'))
default_hooks = dict(checkpoint=dict(max_keep_ckpts=1))
randomness = dict(seed=0)

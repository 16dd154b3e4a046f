# Masked pre-training on generated videos: what `make demo-mae` trains.
#   mim train mmpretrain configs/mae/mae_smvit-micro_1xb32-8x2x1-8e_moving-shapes-rgb.py
_base_ = [
    '../_base_/models/mae_smvit_micro.py',
    '../_base_/datasets/moving_shapes_mae.py',
    '../_base_/default_runtime_image.py'
]

# Chosen so that the encoder has to learn motion in minutes. With 16² pixels hidden and patches normalized, it learns
# the look of patches, and leaves motion to the decoder: fine-tuned on few labels, it is no better than from scratch.
model = dict(
    # the background is a gradient, which would count as much as the shape if it were normalized
    norm_pix=False,
    # 32² pixels, as in the paper: whole frames, of which one of four tokens in time is left
    backbone=dict(mask_unit_size=(1, 8, 8)),
    decoder=dict(embed_dims=48, depth=1, num_heads=1))

train_dataloader = dict(batch_size=8)  # videos, 32 clips

train_cfg = dict(type='EpochBasedTrainLoop', max_epochs=8)
optim_wrapper = dict(
    type='OptimWrapper',
    optimizer=dict(
        type='AdamW',
        lr=2e-3,
        betas=(0.9, 0.95),
        weight_decay=0.05),
    clip_grad=dict(max_norm=1))
param_scheduler = [
    dict(
        type='OneCycleLR',
        eta_max=2e-3,
        pct_start=0.2,
        by_epoch=True,
        begin=0,
        end=8,
        total_steps=8,
        convert_to_iter_based=True)
]
auto_scale_lr = dict(enable=False, base_batch_size=8)  # videos

default_hooks = dict(
    checkpoint=dict(max_keep_ckpts=1),
    logger=dict(interval=20),
    # names videos that cannot be read
    unreadable_video=dict(type='mmhvt.UnreadableVideoHook'))

randomness = dict(seed=0)

# several processes, on CPUs or on as many GPUs
env_cfg = dict(dist_cfg=dict(backend='gloo'))

# MViTv2-B 32×3 on Kinetics-400 from ImageNet-21K (B.4, "Fine-tuning from ImageNet").
_base_ = 'mvitv2-base-p244_128xb4-32x3x1-200e_kinetics400-rgb.py'

model = dict(
    backbone=dict(
        # the public weights have one, and add its query to it
        with_cls_token=True,
        residual_pooling='all',
        init_cfg=dict(
            type='Pretrained',
            checkpoint='https://dl.fbaipublicfiles.com/mvit/mvitv2_models/MViTv2_B_in21k.pyth')))

train_cfg = dict(max_epochs=75)
optim_wrapper = dict(optimizer=dict(lr=1.6e-4))  # for 512 clips
# warm-up in proportion to the epochs: paper silent
param_scheduler = [
    dict(
        type='LinearLR',
        start_factor=0.01,
        begin=0,
        end=11,
        convert_to_iter_based=True),
    dict(
        type='CosineAnnealingLR',
        eta_min_ratio=0.01,
        begin=11,
        end=75,
        convert_to_iter_based=True)
]

# MViTv2-B 32×3 on Kinetics-400 from ImageNet-1K (B.4, "Fine-tuning from ImageNet").
_base_ = 'mvitv2-base-p244_128xb4-32x3x1-200e_kinetics400-rgb.py'

model = dict(
    backbone=dict(
        init_cfg=dict(
            type='Pretrained',
            checkpoint='https://dl.fbaipublicfiles.com/mvit/mvitv2_models/MViTv2_B_in1k.pyth')))

train_cfg = dict(max_epochs=100)
optim_wrapper = dict(optimizer=dict(lr=4.8e-4))  # for 512 clips
# warm-up in proportion to the epochs: paper silent
param_scheduler = [
    dict(
        type='LinearLR',
        start_factor=0.01,
        begin=0,
        end=15,
        convert_to_iter_based=True),
    dict(
        type='CosineAnnealingLR',
        eta_min_ratio=0.01,
        begin=15,
        end=100,
        convert_to_iter_based=True)
]

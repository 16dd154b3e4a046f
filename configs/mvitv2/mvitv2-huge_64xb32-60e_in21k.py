# MViTv2-H on ImageNet-21K and 1K (B.2).
_base_ = 'mvitv2-large_64xb32-90e_in21k.py'

model = dict(
    backbone=dict(
        arch='v2_huge',
        drop_path_rate=0.8),
    head=dict(in_channels=1536))

train_cfg = dict(max_epochs=60)
param_scheduler = [
    dict(
        type='LinearLR',
        start_factor=1e-3,
        begin=0,
        end=14,
        convert_to_iter_based=True),
    dict(
        type='CosineAnnealingLR',
        eta_min=1e-5,
        begin=14,
        end=60,
        convert_to_iter_based=True)
]

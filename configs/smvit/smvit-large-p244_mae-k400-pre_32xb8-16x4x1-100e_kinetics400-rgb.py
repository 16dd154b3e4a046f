# SMViT-L on Kinetics-400: 87.1 top-1 in 3 × 5 views in the paper (table 4).
# What differs from SMViT-B in table 11(b).
_base_ = './smvit-base-p244_mae-k400-pre_16xb16-16x4x1-150e_kinetics400-rgb.py'

model = dict(
    backbone=dict(
        arch='large',
        init_cfg=dict(
            checkpoint='https://dl.fbaipublicfiles.com/hiera/mae_hiera_large_16x224.pth')),
    cls_head=dict(
        in_channels=1152,
        dropout_ratio=0.5))

optim_wrapper = dict(paramwise_cfg=dict(layer_decay_rate=0.9))

train_cfg = dict(max_epochs=50)  # 100 effective
param_scheduler = [
    dict(
        type='LinearLR',
        start_factor=1e-3,
        begin=0,
        end=5,  # 10 effective
        convert_to_iter_based=True),
    dict(
        type='CosineAnnealingLR',
        eta_min=0,
        begin=5,
        end=50,
        convert_to_iter_based=True)
]

train_dataloader = dict(batch_size=4)  # videos, 8 clips a GPU: 256 in all with 32 GPUs

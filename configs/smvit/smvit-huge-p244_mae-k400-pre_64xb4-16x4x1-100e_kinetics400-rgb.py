# SMViT-H on Kinetics-400: 87.2 top-1 in 3 × 5 views in the paper (table 4).
# What differs from SMViT-L in table 11(b).
_base_ = './smvit-large-p244_mae-k400-pre_32xb8-16x4x1-100e_kinetics400-rgb.py'

model = dict(
    backbone=dict(
        arch='huge',
        drop_path_rate=0.3,
        init_cfg=dict(
            checkpoint='https://dl.fbaipublicfiles.com/hiera/mae_hiera_huge_16x224.pth')),
    cls_head=dict(in_channels=2048))

optim_wrapper = dict(
    optimizer=dict(lr=2.5e-5),
    paramwise_cfg=dict(layer_decay_rate=0.925))

train_dataloader = dict(batch_size=2)  # videos, 4 clips a GPU: 256 in all with 64 GPUs

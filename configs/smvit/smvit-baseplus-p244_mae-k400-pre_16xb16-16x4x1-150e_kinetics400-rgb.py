# SMViT-B+ on Kinetics-400: 84.8 top-1 in 3 × 5 views in the paper (table 4).
# Table 11(b) does not list it: all as for SMViT-B.
_base_ = './smvit-base-p244_mae-k400-pre_16xb16-16x4x1-150e_kinetics400-rgb.py'

model = dict(
    backbone=dict(
        arch='base_plus',
        init_cfg=dict(
            checkpoint='https://dl.fbaipublicfiles.com/hiera/mae_hiera_base_plus_16x224.pth')),
    cls_head=dict(in_channels=896))

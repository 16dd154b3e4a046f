# SMViT-B+ on ImageNet-1K: 85.2 top-1 in the paper (table 8).
# All as for SMViT-B.
_base_ = 'smvit-base_mae-in1k-pre_16xb64-100e_in1k.py'

model = dict(
    backbone=dict(
        arch='base_plus',
        init_cfg=dict(
            checkpoint='https://dl.fbaipublicfiles.com/hiera/mae_hiera_base_plus_224.pth')),
    head=dict(in_channels=896))

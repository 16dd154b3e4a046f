# SMViT-B+ on iNaturalist 2018: 79.9 top-1 in the paper (table 9).
# All as for SMViT-B.
_base_ = 'smvit-base_mae-in1k-pre_16xb64-100e_inat2018.py'

model = dict(
    backbone=dict(
        arch='base_plus',
        init_cfg=dict(
            checkpoint='https://dl.fbaipublicfiles.com/hiera/mae_hiera_base_plus_224.pth')),
    head=dict(in_channels=896))

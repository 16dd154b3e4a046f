# SMViT-S on ImageNet-1K as its authors publish it. The schedule is that of SMViT-B: paper silent.
_base_ = 'smvit-base_mae-in1k-pre_16xb64-100e_in1k.py'

model = dict(
    backbone=dict(
        arch='small',
        # CC BY-NC 4.0
        init_cfg=dict(checkpoint='https://dl.fbaipublicfiles.com/hiera/mae_hiera_small_224.pth')))

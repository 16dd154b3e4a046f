# MViTv2-H on ImageNet-1K (B.2).
_base_ = 'mvitv2-tiny_64xb32-300e_in1k.py'

model = dict(
    backbone=dict(
        arch='v2_huge',
        drop_path_rate=0.8),
    head=dict(in_channels=1536))

optim_wrapper = dict(optimizer=dict(weight_decay=0.1))

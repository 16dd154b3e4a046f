# MViT-B-24 on ImageNet-1K: 83.4 top-1 in MViTv2's paper (table A.3).
_base_ = 'mvit-base-16_64xb64-100e-repeat3_in1k.py'

model = dict(
    backbone=dict(
        arch='base_24',
        drop_path_rate=0.3))

# MViTv2-B on ImageNet-21K and 1K (B.2).
_base_ = 'mvitv2-small_64xb32-90e_in21k.py'

model = dict(
    backbone=dict(
        arch='v2_base',
        drop_path_rate=0.3))

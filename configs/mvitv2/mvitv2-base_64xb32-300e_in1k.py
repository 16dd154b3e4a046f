# MViTv2-B on ImageNet-1K: 84.4 top-1 in the paper (table A.3).
_base_ = 'mvitv2-tiny_64xb32-300e_in1k.py'

model = dict(
    backbone=dict(
        arch='v2_base',
        drop_path_rate=0.3))

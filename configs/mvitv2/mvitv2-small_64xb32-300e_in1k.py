# MViTv2-S on ImageNet-1K: 83.6 top-1 in the paper (table A.3).
_base_ = 'mvitv2-tiny_64xb32-300e_in1k.py'

model = dict(backbone=dict(arch='v2_small'))

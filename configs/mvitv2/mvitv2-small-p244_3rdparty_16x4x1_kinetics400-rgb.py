# MViTv2-S 16×4 on Kinetics-400 as torchvision, PySlowFast and mmaction2 publish it: with a class token.
_base_ = 'mvitv2-small-p244_128xb4-16x4x1-200e_kinetics400-rgb.py'

model = dict(backbone=dict(with_cls_token=True))

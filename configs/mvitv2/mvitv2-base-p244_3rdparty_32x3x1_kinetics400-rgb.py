# MViTv2-B 32×3 on Kinetics-400 as PySlowFast publishes it: with a class token.
_base_ = 'mvitv2-base-p244_128xb4-32x3x1-200e_kinetics400-rgb.py'

model = dict(backbone=dict(with_cls_token=True))

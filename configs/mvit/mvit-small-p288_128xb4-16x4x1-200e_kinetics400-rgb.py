# MViT-S 16×4 on Kinetics-400 from scratch: 76.0 top-1 in 1 × 5 views in the paper (table 4).
_base_ = 'mvit-base-p244_128xb4-16x4x1-200e_kinetics400-rgb.py'

model = dict(
    backbone=dict(arch='small'),
    cls_head=dict(in_channels=512))

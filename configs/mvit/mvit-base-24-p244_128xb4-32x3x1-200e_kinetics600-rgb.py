# MViT-B-24 32×3 on Kinetics-600 from scratch: 83.8 top-1 in 1 × 5 views in the paper (table 5).
_base_ = 'mvit-base-p244_128xb4-32x3x1-200e_kinetics600-rgb.py'

model = dict(backbone=dict(arch='base_24'))

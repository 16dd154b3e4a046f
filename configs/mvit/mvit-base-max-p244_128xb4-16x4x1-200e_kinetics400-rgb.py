# MViT-B 16×4 with max-pooling, the paper's ablation model, on Kinetics-400 from scratch: 77.2 top-1
# in 1 × 5 views in the paper (tables 3, 9 and 16).
_base_ = 'mvit-base-p244_128xb4-16x4x1-200e_kinetics400-rgb.py'

model = dict(
    backbone=dict(
        pool_mode='max',
        # table 15
        pool_kernel='s+1'))

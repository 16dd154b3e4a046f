# MViT-B with 32 frames on Something-Something V2 from Kinetics-600: 67.8 top-1 in 3 × 1 views in
# the paper (table 6).
_base_ = 'mvit-base-p244_k400-pre_64xb8-u32-100e_sthv2-rgb.py'

pretrained = 'work_dirs/mvit-base-p244_128xb4-32x3x1-200e_kinetics600-rgb/epoch_200.pth'

model = dict(
    backbone=dict(
        init_cfg=dict(checkpoint=pretrained)))

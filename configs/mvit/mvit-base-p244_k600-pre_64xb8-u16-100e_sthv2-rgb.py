# MViT-B with 16 frames on Something-Something V2 from Kinetics-600: 66.2 top-1 in 3 × 1 views in
# the paper (table 6).
_base_ = 'mvit-base-p244_k400-pre_64xb8-u16-100e_sthv2-rgb.py'

pretrained = 'work_dirs/mvit-base-p244_128xb4-16x4x1-200e_kinetics600-rgb/epoch_200.pth'

model = dict(
    backbone=dict(
        init_cfg=dict(checkpoint=pretrained)))

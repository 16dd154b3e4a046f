# MViT-B 32×3 on Charades from Kinetics-600: 47.1 mAP in 3 × 10 views in the paper (table 7).
_base_ = 'mvit-base-p244_k400-pre_32xb8-32x3x1-200e_charades-rgb.py'

pretrained = 'work_dirs/mvit-base-p244_128xb4-32x3x1-200e_kinetics600-rgb/epoch_200.pth'

model = dict(
    backbone=dict(
        init_cfg=dict(checkpoint=pretrained)))

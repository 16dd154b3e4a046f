# MViT-B-24 32×3 on AVA v2.2 from Kinetics-600: 28.7 mAP in the paper (table 8).
_base_ = 'mvit-base-p244_k400-pre_64xb8-32x3x1-30e_ava22-rgb.py'

pretrained = 'work_dirs/mvit-base-24-p244_128xb4-32x3x1-200e_kinetics600-rgb/epoch_200.pth'

model = dict(
    backbone=dict(
        arch='base_24',
        init_cfg=dict(checkpoint=pretrained)))

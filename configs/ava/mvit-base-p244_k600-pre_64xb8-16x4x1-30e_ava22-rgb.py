# MViT-B 16×4 on AVA v2.2 from Kinetics-600: 26.1 mAP in the paper (table 8).
_base_ = 'mvit-base-p244_k400-pre_64xb8-16x4x1-30e_ava22-rgb.py'

pretrained = 'work_dirs/mvit-base-p244_128xb4-16x4x1-200e_kinetics600-rgb/epoch_200.pth'

model = dict(backbone=dict(init_cfg=dict(checkpoint=pretrained)))

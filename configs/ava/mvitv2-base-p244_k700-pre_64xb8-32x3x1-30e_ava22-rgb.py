# MViTv2-B 32×3 on AVA v2.2 from Kinetics-700: 31.3 mAP in the paper (mvitv2, table A.2).
_base_ = 'mvitv2-base-p244_k400-pre_64xb8-32x3x1-30e_ava22-rgb.py'

pretrained = 'work_dirs/mvitv2-base-p244_128xb4-32x3x1-200e_kinetics700-rgb/epoch_200.pth'

model = dict(backbone=dict(init_cfg=dict(checkpoint=pretrained)))

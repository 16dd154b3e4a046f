# MViTv2-S 16×4 on AVA v2.2 from Kinetics-400: 26.8 mAP in the paper (mvitv2, table A.2). "The training recipe is
# identical to" MViT's (B.6).
_base_ = 'mvit-base-p244_k400-pre_64xb8-16x4x1-30e_ava22-rgb.py'

pretrained = 'work_dirs/mvitv2-small-p244_128xb4-16x4x1-200e_kinetics400-rgb/epoch_200.pth'

model = dict(
    backbone=dict(
        arch='v2_small',
        init_cfg=dict(checkpoint=pretrained)))

# UniFormerV2-L/14 on Moments in Time from Kinetics-710, then Kinetics-400, 8 frames: 47.0 top-1 in 3 ×
# 4 views in the paper (table 17).
_base_ = 'uniformerv2-large-p14_clip-pre_32xb16-u8-18e_mit-rgb.py'

pretrained = 'work_dirs/uniformerv2-large-p14_k710-pre_16xb16-u8-5e_kinetics400-rgb/epoch_5.pth'

model = dict(backbone=dict(init_cfg=dict(checkpoint=pretrained)))

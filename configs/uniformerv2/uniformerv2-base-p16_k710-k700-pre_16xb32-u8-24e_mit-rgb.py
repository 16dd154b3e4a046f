# UniFormerV2-B/16 on Moments in Time from Kinetics-710, then Kinetics-700, 8 frames: 42.4 top-1 in 3 ×
# 4 views in the paper (table 17).
_base_ = 'uniformerv2-base-p16_clip-pre_16xb32-u8-24e_mit-rgb.py'

pretrained = 'work_dirs/uniformerv2-base-p16_k710-pre_8xb32-u8-5e_kinetics700-rgb/epoch_5.pth'

model = dict(backbone=dict(init_cfg=dict(checkpoint=pretrained)))

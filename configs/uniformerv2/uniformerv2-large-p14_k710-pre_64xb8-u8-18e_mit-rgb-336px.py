# UniFormerV2-L/14 on Moments in Time from Kinetics-710, 8 frames of 336²: 47.6 top-1 in 3 × 4 views in
# the paper (table 17).
_base_ = 'uniformerv2-large-p14_clip-pre_64xb8-u8-18e_mit-rgb-336px.py'

pretrained = 'work_dirs/uniformerv2-large-p14_clip-pre_64xb8-u8-40e_kinetics710-rgb-336px/epoch_40.pth'

model = dict(backbone=dict(init_cfg=dict(checkpoint=pretrained)))

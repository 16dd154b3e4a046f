# UniFormerV2-L/14 on Moments in Time from Kinetics-710, then Kinetics-400, 8 frames of 336²: 47.8 top-1
# in 3 × 4 views in the paper (table 17).
_base_ = 'uniformerv2-large-p14_clip-pre_64xb8-u8-18e_mit-rgb-336px.py'

# which of Kinetics-400: paper silent; at 336² the paper has none with 8 frames
pretrained = 'work_dirs/uniformerv2-large-p14_k710-pre_64xb4-u32-5e_kinetics400-rgb-336px/epoch_5.pth'

model = dict(backbone=dict(init_cfg=dict(checkpoint=pretrained)))

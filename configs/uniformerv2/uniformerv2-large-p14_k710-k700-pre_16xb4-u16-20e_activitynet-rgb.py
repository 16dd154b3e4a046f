# UniFormerV2-L/14 on ActivityNet from Kinetics-710, then Kinetics-700, 16 frames: 94.3 top-1 in 3 × 10
# views in the paper (table 19).
_base_ = 'uniformerv2-large-p14_k400-pre_16xb4-u16-20e_activitynet-rgb.py'

# which of Kinetics: paper silent, here that of as many frames
pretrained = 'work_dirs/uniformerv2-large-p14_k710-pre_32xb8-u16-5e_kinetics700-rgb/epoch_5.pth'

model = dict(backbone=dict(init_cfg=dict(checkpoint=pretrained)))

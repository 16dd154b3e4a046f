# Video Swin-B on Kinetics-400 from ImageNet-21K: 82.7 top-1 in 4 × 3 views in the paper (table 1).
# Numbers are those of section 4.1.
_base_ = [
    '../_base_/models/video_swin_base.py',
    '../_base_/datasets/kinetics400_video-swin.py',
    '../_base_/schedules/adamw_30e_video-swin.py',
    '../_base_/default_runtime.py'
]

optim_wrapper = dict(optimizer=dict(weight_decay=0.05))

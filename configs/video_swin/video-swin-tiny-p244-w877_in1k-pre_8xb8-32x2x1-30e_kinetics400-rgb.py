# Video Swin-T on Kinetics-400 from ImageNet-1K: 78.8 top-1 in 4 × 3 views in the paper (table 1).
# Numbers are those of section 4.1; they stand in the bases.
_base_ = [
    '../_base_/models/video_swin_tiny.py',
    '../_base_/datasets/kinetics400_video-swin.py',
    '../_base_/schedules/adamw_30e_video-swin.py',
    '../_base_/default_runtime.py'
]

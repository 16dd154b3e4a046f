# Video Swin-T on Kinetics-600 from ImageNet-1K: the paper has no result. Numbers are those of section
# 4.1; they stand in the bases.
_base_ = [
    '../_base_/models/video_swin_tiny.py',
    '../_base_/datasets/kinetics600_video-swin.py',
    '../_base_/schedules/adamw_30e_video-swin.py',
    '../_base_/default_runtime.py'
]

model = dict(cls_head=dict(num_classes=600))

# Video Swin-L on Kinetics-600 from ImageNet-21K: the paper has no result. Numbers are those of section
# 4.1.
_base_ = [
    '../_base_/models/video_swin_large.py',
    '../_base_/datasets/kinetics600_video-swin.py',
    '../_base_/schedules/adamw_30e_video-swin.py',
    '../_base_/default_runtime.py'
]

model = dict(cls_head=dict(num_classes=600))

# Swin-B's: paper silent, as mmaction2
optim_wrapper = dict(optimizer=dict(weight_decay=0.05))

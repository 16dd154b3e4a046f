# The smallest Video Swin on generated videos.
_base_ = [
    '../_base_/models/video_swin_micro.py',
    '../_base_/datasets/moving_shapes.py',
    '../_base_/schedules/adamw_5e_micro.py',
    '../_base_/default_runtime_micro.py'
]

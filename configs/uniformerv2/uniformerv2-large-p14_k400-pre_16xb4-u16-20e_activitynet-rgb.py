# UniFormerV2-L/14 on ActivityNet from Kinetics-400, 16 frames: 93.6 top-1 in 3 × 10 views in the paper
# (table 19).
_base_ = [
    '../_base_/models/uniformerv2_large.py',
    '../_base_/datasets/activitynet_uniformerv2.py',
    '../_base_/schedules/adamw_20e_uniformerv2-large.py',
    '../_base_/default_runtime.py'
]

pretrained = 'work_dirs/uniformerv2-large-p14_clip-pre_32xb16-u8-40e_kinetics400-rgb/epoch_40.pth'

model = dict(
    backbone=dict(
        input_size=(16, 224, 224),
        drop_path_rate=0.2,
        global_drop_path_rate=0.4,
        init_cfg=dict(checkpoint=pretrained)),
    cls_head=dict(num_classes=200))

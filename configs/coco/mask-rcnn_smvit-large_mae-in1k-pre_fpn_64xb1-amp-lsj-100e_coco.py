# SMViT-L, Mask R-CNN: 55.0 box AP and 48.6 mask AP in the paper (table 10).
# Numbers are table A2's.
_base_ = [
    '../_base_/models/mask-rcnn_smvit_fpn.py',
    '../_base_/datasets/coco_instance_lsj.py',
    '../_base_/schedules/adamw_100e_coco.py',
    '../_base_/default_runtime_det.py'
]

model = dict(
    backbone=dict(
        arch='large',
        drop_path_rate=0.4,
        init_cfg=dict(checkpoint='https://dl.fbaipublicfiles.com/hiera/mae_hiera_large_224.pth')),
    neck=dict(in_channels=[144, 288, 576, 1152]))

optim_wrapper = dict(optimizer=dict(lr=3e-5))  # for 64 images

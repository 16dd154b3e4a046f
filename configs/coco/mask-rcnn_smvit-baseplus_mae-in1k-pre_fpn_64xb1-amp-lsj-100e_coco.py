# SMViT-B+, Mask R-CNN: 53.3 box AP and 47.1 mask AP in the paper (table 10).
# Numbers are table A2's.
_base_ = [
    '../_base_/models/mask-rcnn_smvit_fpn.py',
    '../_base_/datasets/coco_instance_lsj.py',
    '../_base_/schedules/adamw_100e_coco.py',
    '../_base_/default_runtime_det.py'
]

model = dict(
    backbone=dict(
        arch='base_plus',
        init_cfg=dict(
            checkpoint='https://dl.fbaipublicfiles.com/hiera/mae_hiera_base_plus_224.pth')),
    neck=dict(in_channels=[112, 224, 448, 896]))

optim_wrapper = dict(optimizer=dict(lr=3e-5))  # for 64 images

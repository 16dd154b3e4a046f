# MViTv2-L, Cascade Mask R-CNN, from ImageNet-21K as the authors of ViTDet train it: 55.7 box AP and 48.3 mask AP
# (detectron2 projects/ViTDet/configs/COCO/cascade_mask_rcnn_mvitv2_l_in21k_50ep.py), with LayerNorm in FPN and heads.
_base_ = [
    '../_base_/models/cascade-mask-rcnn_mvitv2_fpn.py',
    '../_base_/datasets/coco_instance_lsj.py',
    '../_base_/schedules/adamw_100e_coco.py',
    '../_base_/default_runtime_det.py'
]

norm_cfg = dict(type='mmhvt.LN2d', eps=1e-6)
model = dict(
    data_preprocessor=dict(pad_size_divisor=1024),
    backbone=dict(
        arch='v2_large',
        drop_path_rate=0.5,
        init_cfg=dict(
            checkpoint='https://dl.fbaipublicfiles.com/mvit/mvitv2_models/MViTv2_L_in21k.pyth')),
    neck=dict(in_channels=[144, 288, 576, 1152], norm_cfg=norm_cfg),
    roi_head=dict(
        bbox_head=[dict(head, norm_cfg=norm_cfg) for head in _base_.bbox_head],
        mask_head=dict(norm_cfg=norm_cfg)))

train_cfg = dict(max_epochs=50, val_interval=5)
optim_wrapper = dict(optimizer=dict(lr=8e-5))  # for 64 images
param_scheduler = [
    dict(
        type='LinearLR', start_factor=1e-3, by_epoch=False, begin=0, end=250),
    dict(
        type='MultiStepLR',
        by_epoch=True,
        begin=0,
        end=50,
        milestones=[44, 48],
        gamma=0.1)
]

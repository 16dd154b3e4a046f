# MViTv2-B, Cascade Mask R-CNN, from ImageNet-21K as the authors of ViTDet train it: 55.6 box AP and 48.1 mask AP
# (detectron2 projects/ViTDet/configs/COCO/cascade_mask_rcnn_mvitv2_b_in21k_100ep.py), with LayerNorm in FPN and heads.
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
        arch='v2_base',
        drop_path_rate=0.4,
        init_cfg=dict(
            checkpoint='https://dl.fbaipublicfiles.com/mvit/mvitv2_models/MViTv2_B_in21k.pyth')),
    neck=dict(norm_cfg=norm_cfg),
    roi_head=dict(
        bbox_head=[dict(head, norm_cfg=norm_cfg) for head in _base_.bbox_head],
        mask_head=dict(norm_cfg=norm_cfg)))

optim_wrapper = dict(optimizer=dict(lr=8e-5))  # for 64 images

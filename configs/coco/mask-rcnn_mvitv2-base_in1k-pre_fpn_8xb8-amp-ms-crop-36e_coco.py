# MViTv2-B, Mask R-CNN, from ImageNet-1K: 51.0 box AP and 45.7 mask AP in the paper (table A.5).
_base_ = [
    '../_base_/models/mask-rcnn_mvitv2_fpn.py',
    '../_base_/datasets/coco_instance_ms-crop.py',
    '../_base_/schedules/adamw_36e_coco.py',
    '../_base_/default_runtime_det.py'
]

model = dict(
    backbone=dict(
        arch='v2_base',
        drop_path_rate=0.4,
        init_cfg=dict(
            checkpoint='https://dl.fbaipublicfiles.com/mvit/mvitv2_models/MViTv2_B_in1k.pyth')))

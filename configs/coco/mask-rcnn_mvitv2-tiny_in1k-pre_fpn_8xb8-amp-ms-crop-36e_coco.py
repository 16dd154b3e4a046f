# MViTv2-T, Mask R-CNN, from ImageNet-1K. Numbers are those of B.3.
_base_ = [
    '../_base_/models/mask-rcnn_mvitv2_fpn.py',
    '../_base_/datasets/coco_instance_ms-crop.py',
    '../_base_/schedules/adamw_36e_coco.py',
    '../_base_/default_runtime_det.py'
]

# MViTv2-T, RetinaNet, from ImageNet-1K. Not from a paper: it is trained like Mask R-CNN (mvitv2, B.3). mmdet's
# RetinaNet on Swin-T has SGD and 12 epochs.
_base_ = [
    '../_base_/models/retinanet_mvitv2_fpn.py',
    '../_base_/datasets/coco_detection_ms-crop.py',
    '../_base_/schedules/adamw_36e_coco.py',
    '../_base_/default_runtime_det.py'
]

# MViTv2-T, Faster R-CNN, from ImageNet-1K. Not from a paper: it is trained like Mask R-CNN (mvitv2, B.3).
_base_ = [
    '../_base_/models/faster-rcnn_mvitv2_fpn.py',
    '../_base_/datasets/coco_detection_ms-crop.py',
    '../_base_/schedules/adamw_36e_coco.py',
    '../_base_/default_runtime_det.py'
]

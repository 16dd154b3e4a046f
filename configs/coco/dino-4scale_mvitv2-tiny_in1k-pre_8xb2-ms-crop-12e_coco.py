# MViTv2-T, DINO, from ImageNet-1K. Not from a paper: it is trained like mmdet's DINO on ResNet-50.
_base_ = [
    '../_base_/models/dino-4scale_mvitv2.py',
    '../_base_/datasets/coco_detection_ms-crop.py',
    '../_base_/schedules/adamw_12e_dino.py',
    '../_base_/default_runtime_det.py'
]

# images without objects are background, as in mmdet's
train_dataloader = dict(
    batch_size=2,  # 16 in all with 8 GPUs
    num_workers=2,
    dataset=dict(filter_cfg=dict(filter_empty_gt=False)))

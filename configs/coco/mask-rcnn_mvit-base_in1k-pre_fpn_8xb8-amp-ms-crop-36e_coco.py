# MViT-B, Mask R-CNN: ours, the paper has no detection in images. MViTv2-S's recipe (mvitv2, B.3), which has its depth,
# with its hybrid windows; the class token, which belongs to no window, is left out.
_base_ = [
    '../_base_/models/mask-rcnn_mvitv2_fpn.py',
    '../_base_/datasets/coco_instance_ms-crop.py',
    '../_base_/schedules/adamw_36e_coco.py',
    '../_base_/default_runtime_det.py'
]

model = dict(
    backbone=dict(
        arch='base',
        with_cls_token=False,
        drop_path_rate=0.3,
        # absolute positions are resized to the grid of each image
        init_cfg=dict(
            checkpoint='work_dirs/mvit-base-16_64xb64-100e-repeat3_in1k/epoch_300.pth')),
    # channels expand at the end of a stage
    neck=dict(in_channels=[192, 384, 768, 768]))

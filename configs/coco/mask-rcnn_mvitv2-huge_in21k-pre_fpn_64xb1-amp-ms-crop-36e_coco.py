# MViTv2-H, Mask R-CNN, from ImageNet-21K (B.3).
_base_ = [
    '../_base_/models/mask-rcnn_mvitv2_fpn.py',
    '../_base_/datasets/coco_instance_ms-crop.py',
    '../_base_/schedules/adamw_36e_coco.py',
    '../_base_/default_runtime_det.py'
]

model = dict(
    backbone=dict(
        arch='v2_huge',
        drop_path_rate=0.6,
        # detectron2 projects/MViTv2/configs/cascade_mask_rcnn_mvitv2_h_in21k_lsj_3x.py
        with_cp=True,
        # the class token in the file has no place here: it belongs to no window
        init_cfg=dict(
            checkpoint='https://dl.fbaipublicfiles.com/mvit/mvitv2_models/MViTv2_H_in21k.pyth')),
    neck=dict(in_channels=[192, 384, 768, 1536]))

train_dataloader = dict(batch_size=1, num_workers=2)  # 64 in all with 64 GPUs

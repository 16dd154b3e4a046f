# MViTv2-L, Cascade Mask R-CNN, from ImageNet-21K (B.3).
_base_ = [
    '../_base_/models/cascade-mask-rcnn_mvitv2_fpn.py',
    '../_base_/datasets/coco_instance_ms-crop.py',
    '../_base_/schedules/adamw_36e_coco.py',
    '../_base_/default_runtime_det.py'
]

model = dict(
    backbone=dict(
        arch='v2_large',
        # the public weights of ImageNet-21K use this
        expand_in='attn',
        drop_path_rate=0.5,
        # the class token in the file has no place here: it belongs to no window
        init_cfg=dict(
            checkpoint='https://dl.fbaipublicfiles.com/mvit/mvitv2_models/MViTv2_L_in21k.pyth')),
    neck=dict(in_channels=[144, 288, 576, 1152]))

train_dataloader = dict(batch_size=1, num_workers=2)  # 64 in all with 64 GPUs

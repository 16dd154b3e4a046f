# MViTv2-H, Cascade Mask R-CNN, from ImageNet-1K (B.3).
_base_ = 'cascade-mask-rcnn_mvitv2-tiny_in1k-pre_fpn_8xb8-amp-ms-crop-36e_coco.py'

model = dict(
    backbone=dict(
        arch='v2_huge',
        drop_path_rate=0.6,
        init_cfg=dict(
            checkpoint='work_dirs/mvitv2-huge_64xb32-300e_in1k/epoch_300.pth')),
    neck=dict(in_channels=[192, 384, 768, 1536]))

train_dataloader = dict(batch_size=1, num_workers=2)  # 64 in all with 64 GPUs

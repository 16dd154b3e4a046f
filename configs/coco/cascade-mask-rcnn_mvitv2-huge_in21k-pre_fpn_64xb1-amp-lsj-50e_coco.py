# MViTv2-H, Cascade Mask R-CNN, from ImageNet-21K: the "stronger recipe" of B.3.
_base_ = 'cascade-mask-rcnn_mvitv2-large_in21k-pre_fpn_64xb1-amp-lsj-50e_coco.py'

model = dict(
    backbone=dict(
        arch='v2_huge',
        drop_path_rate=0.6,
        init_cfg=dict(
            checkpoint='https://dl.fbaipublicfiles.com/mvit/mvitv2_models/MViTv2_H_in21k.pyth')),
    neck=dict(in_channels=[192, 384, 768, 1536]))

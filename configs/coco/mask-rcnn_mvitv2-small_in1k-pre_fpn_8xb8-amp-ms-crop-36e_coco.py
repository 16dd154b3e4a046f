# MViTv2-S, Mask R-CNN, from ImageNet-1K: 49.9 box AP and 45.1 mask AP in the paper (table A.5).
_base_ = 'mask-rcnn_mvitv2-tiny_in1k-pre_fpn_8xb8-amp-ms-crop-36e_coco.py'

model = dict(
    backbone=dict(
        arch='v2_small',
        drop_path_rate=0.3,
        init_cfg=dict(
            checkpoint='https://dl.fbaipublicfiles.com/mvit/mvitv2_models/MViTv2_S_in1k.pyth')))

# MViTv2-L from ImageNet-21K as what the SMViT paper compares with: 53.6 box AP and 47.5 mask AP there (table 10).
_base_ = 'mask-rcnn_mvitv2-large_in1k-pre_fpn_64xb1-lsj-100e_coco.py'

model = dict(
    backbone=dict(
        # the public weights of ImageNet-21K are of this
        expand_in='attn',
        # the class token in the file has no place here: it belongs to no window
        init_cfg=dict(
            checkpoint='https://dl.fbaipublicfiles.com/mvit/mvitv2_models/MViTv2_L_in21k.pyth')),
    neck=dict(in_channels=[144, 288, 576, 1152]))

# MViTv2-B from ImageNet-21K as what the SMViT paper compares with: 53.1 box AP and 47.4 mask AP there (table 10).
_base_ = 'mask-rcnn_mvitv2-base_in1k-pre_fpn_64xb1-lsj-100e_coco.py'

model = dict(
    backbone=dict(
        # the class token in the file has no place here: it belongs to no window
        init_cfg=dict(
            checkpoint='https://dl.fbaipublicfiles.com/mvit/mvitv2_models/MViTv2_B_in21k.pyth')))

# MViTv2-B, Mask R-CNN, from ImageNet-21K: 51.5 box AP and 46.4 mask AP in the paper (table A.5).
_base_ = 'mask-rcnn_mvitv2-base_in1k-pre_fpn_8xb8-amp-ms-crop-36e_coco.py'

model = dict(
    backbone=dict(
        # the class token in the file has no place here: it belongs to no window
        init_cfg=dict(
            checkpoint='https://dl.fbaipublicfiles.com/mvit/mvitv2_models/MViTv2_B_in21k.pyth')))

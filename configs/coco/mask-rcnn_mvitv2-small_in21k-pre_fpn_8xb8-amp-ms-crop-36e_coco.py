# MViTv2-S, Mask R-CNN, from ImageNet-21K: 50.2 box AP and 45.1 mask AP in the paper (table A.5).
_base_ = 'mask-rcnn_mvitv2-small_in1k-pre_fpn_8xb8-amp-ms-crop-36e_coco.py'

model = dict(
    backbone=dict(
        # the class token in the file has no place here: it belongs to no window
        init_cfg=dict(
            checkpoint='https://dl.fbaipublicfiles.com/mvit/mvitv2_models/MViTv2_S_in21k.pyth')))

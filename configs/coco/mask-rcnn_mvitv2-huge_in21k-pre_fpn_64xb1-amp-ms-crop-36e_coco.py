# MViTv2-H, Mask R-CNN, from ImageNet-21K (B.3).
_base_ = 'mask-rcnn_mvitv2-huge_in1k-pre_fpn_64xb1-amp-ms-crop-36e_coco.py'

model = dict(
    backbone=dict(
        # the class token in the file has no place here: it belongs to no window
        init_cfg=dict(
            checkpoint='https://dl.fbaipublicfiles.com/mvit/mvitv2_models/MViTv2_H_in21k.pyth')))

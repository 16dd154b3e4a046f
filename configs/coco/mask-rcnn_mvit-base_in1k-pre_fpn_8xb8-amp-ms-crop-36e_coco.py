# MViT-B, Mask R-CNN: ours, the paper has no detection in images. MViTv2-S's recipe (mvitv2, B.3), which has its depth,
# with its hybrid windows; the class token, which belongs to no window, is left out.
_base_ = 'mask-rcnn_mvitv2-small_in1k-pre_fpn_8xb8-amp-ms-crop-36e_coco.py'

model = dict(
    backbone=dict(
        arch='base',
        with_cls_token=False,
        # absolute positions are resized to the image's grid as it comes
        init_cfg=dict(
            checkpoint='work_dirs/mvit-base-16_64xb64-100e-repeat3_in1k/epoch_300.pth')),
    # channels expand at the end of a stage
    neck=dict(in_channels=[192, 384, 768, 768]))

# MViTv2-L on clips of 16 frames of 224² pixels, from ImageNet-21K: regularization is that of MViT (mvitv2, B.4).
_base_ = 'mvit_base.py'

model = dict(
    # ImageNet's, as in the images that it starts from: SlowFast configs/Kinetics/MVITv2_L_40x3_test.yaml
    data_preprocessor=dict(
        mean=[123.675, 116.28, 103.53],
        std=[58.395, 57.12, 57.375]),
    backbone=dict(
        arch='v2_large',
        # the public weights have one
        with_cls_token=True,
        # SlowFast configs/Kinetics/MVITv2_L_40x3_test.yaml
        drop_path_rate=0.75),
    cls_head=dict(in_channels=1152))

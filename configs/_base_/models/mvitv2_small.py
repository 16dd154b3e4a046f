# MViTv2-S on clips of 16 frames of 224² pixels (mvitv2, table A.6). Regularization is that of MViT
# (mvitv2, B.4: "We follow the training recipe and augmentations from [19, 21]").
_base_ = 'mvit_base.py'

model = dict(
    backbone=dict(
        arch='v2_small',
        drop_path_rate=0.2))

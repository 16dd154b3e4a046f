# MViTv2-T on images of 224² pixels (mvitv2, table A.3), with the regularization of B.2, which is
# that of MViT but for drop path.
_base_ = 'mvit_base_image.py'

model = dict(
    backbone=dict(
        arch='v2_tiny',
        drop_path_rate=0.1))

# MViTv2-L on ImageNet-21K and 1K (B.2).
_base_ = 'mvitv2-small_64xb32-90e_in21k.py'

model = dict(
    backbone=dict(
        arch='v2_large',
        drop_path_rate=0.5),
    head=dict(in_channels=1152))

optim_wrapper = dict(
    optimizer=dict(
        lr=8e-4,  # 1e-4 for 256 images: for 2048
        weight_decay=0.1))

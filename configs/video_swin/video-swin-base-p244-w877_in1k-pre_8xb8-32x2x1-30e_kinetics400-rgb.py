# Video Swin-B on Kinetics-400 from ImageNet-1K: 80.6 top-1 in 4 × 3 views in the paper (table 1).
_base_ = 'video-swin-base-p244-w877_in21k-pre_8xb8-32x2x1-30e_kinetics400-rgb.py'

model = dict(
    backbone=dict(
        init_cfg=dict(
            checkpoint=('https://github.com/SwinTransformer/storage/releases/download/v1.0.0/'
                        'swin_base_patch4_window7_224.pth'))))

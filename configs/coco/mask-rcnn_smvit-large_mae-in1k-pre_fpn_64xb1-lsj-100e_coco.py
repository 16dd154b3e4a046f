# SMViT-L, Mask R-CNN: 55.0 box AP and 48.6 mask AP in the paper (table 10).
# What differs from SMViT-B in table A2.
_base_ = 'mask-rcnn_smvit-base_mae-in1k-pre_fpn_64xb1-lsj-100e_coco.py'

model = dict(
    backbone=dict(
        arch='large',
        drop_path_rate=0.4,
        init_cfg=dict(
            checkpoint='https://dl.fbaipublicfiles.com/hiera/mae_hiera_large_224.pth')),
    neck=dict(in_channels=[144, 288, 576, 1152]))

optim_wrapper = dict(optimizer=dict(lr=3e-5))  # for 64 images

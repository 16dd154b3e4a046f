# SMViT-B+, Mask R-CNN: 53.3 box AP and 47.1 mask AP in the paper (table 10).
# What differs from SMViT-B in table A2.
_base_ = 'mask-rcnn_smvit-base_mae-in1k-pre_fpn_64xb1-lsj-100e_coco.py'

model = dict(
    backbone=dict(
        arch='base_plus',
        init_cfg=dict(
            checkpoint='https://dl.fbaipublicfiles.com/hiera/mae_hiera_base_plus_224.pth')),
    neck=dict(in_channels=[112, 224, 448, 896]))

optim_wrapper = dict(optimizer=dict(lr=3e-5))  # for 64 images

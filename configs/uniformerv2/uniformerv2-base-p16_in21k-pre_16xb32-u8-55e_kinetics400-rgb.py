# UniFormerV2-B/16 on Kinetics-400 from ViT of ImageNet-21K, 8 frames: 81.6 top-1 in the paper (table
# 8).
_base_ = 'uniformerv2-base-p16_clip-pre_16xb32-u8-55e_kinetics400-rgb.py'

# that of timm (Steiner et al.); the paper cites the first ViT
pretrained = ('https://storage.googleapis.com/vit_models/augreg/'
              'B_16-i21k-300ep-lr_0.001-aug_medium1-wd_0.1-do_0.0-sd_0.0.npz')

model = dict(
    backbone=dict(
        vit='vit',
        init_cfg=dict(checkpoint=pretrained)))

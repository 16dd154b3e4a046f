# UniFormerV2-B/16 on Something-Something V2 from ViT of ImageNet-21K, 16 frames: 67.5 top-1 in the
# paper (table 8).
_base_ = 'uniformerv2-base-p16_clip-pre_8xb16-u16-22e_sthv2-rgb.py'

# that of timm (Steiner et al.); the paper cites the first ViT
pretrained = ('https://storage.googleapis.com/vit_models/augreg/'
              'B_16-i21k-300ep-lr_0.001-aug_medium1-wd_0.1-do_0.0-sd_0.0.npz')

model = dict(
    backbone=dict(
        vit='vit',
        init_cfg=dict(checkpoint=pretrained)))

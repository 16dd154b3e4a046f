# UniFormerV2-B/16 on Kinetics-400 from DINO of ImageNet-1K, 8 frames: 78.7 top-1 in the paper (table
# 8).
_base_ = 'uniformerv2-base-p16_clip-pre_16xb32-u8-55e_kinetics400-rgb.py'

pretrained = 'https://dl.fbaipublicfiles.com/dino/dino_vitbase16_pretrain/dino_vitbase16_pretrain.pth'

model = dict(
    backbone=dict(
        vit='vit',
        init_cfg=dict(checkpoint=pretrained)))

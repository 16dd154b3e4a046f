# UniFormerV2-B/16 on Something-Something V2 from DINO of ImageNet-1K, 16 frames: 65.8 top-1 in the
# paper (table 8).
_base_ = 'uniformerv2-base-p16_clip-pre_8xb16-u16-22e_sthv2-rgb.py'

pretrained = 'https://dl.fbaipublicfiles.com/dino/dino_vitbase16_pretrain/dino_vitbase16_pretrain.pth'

model = dict(
    backbone=dict(
        vit='vit',
        init_cfg=dict(checkpoint=pretrained)))

# UniFormerV2-B/16 on Something-Something V2 from DeiT III of ImageNet-21K, 16 frames: 66.5 top-1 in the
# paper (table 8).
_base_ = 'uniformerv2-base-p16_clip-pre_8xb16-u16-22e_sthv2-rgb.py'

# pre-trained on ImageNet-21K, fine-tuned on -1K: no other is public
pretrained = 'https://dl.fbaipublicfiles.com/deit/deit_3_base_224_21k.pth'

model = dict(
    backbone=dict(
        vit='deit3',
        init_cfg=dict(checkpoint=pretrained)))

# UniFormerV2-B/16 on Kinetics-400 from DeiT III of ImageNet-21K, 8 frames: 82.7 top-1 in the paper
# (table 8).
_base_ = 'uniformerv2-base-p16_clip-pre_16xb32-u8-55e_kinetics400-rgb.py'

# pre-trained on ImageNet-21K, fine-tuned on -1K: no other is public
pretrained = 'https://dl.fbaipublicfiles.com/deit/deit_3_base_224_21k.pth'

model = dict(
    backbone=dict(
        vit='deit3',
        init_cfg=dict(checkpoint=pretrained)))

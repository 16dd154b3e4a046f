# UniFormerV2-B/16 on Kinetics-400 from MAE of ImageNet-1K, 8 frames: 78.8 top-1 in the paper (table 8).
_base_ = 'uniformerv2-base-p16_clip-pre_16xb32-u8-55e_kinetics400-rgb.py'

# as pre-trained, before any fine-tuning: paper silent
pretrained = 'https://dl.fbaipublicfiles.com/mae/pretrain/mae_pretrain_vit_base.pth'

model = dict(
    backbone=dict(
        vit='vit',
        init_cfg=dict(checkpoint=pretrained)))

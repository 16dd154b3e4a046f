# UniFormerV2-B/16 on Something-Something V2 from MAE of ImageNet-1K, 16 frames: 65.1 top-1 in the paper
# (table 8).
_base_ = 'uniformerv2-base-p16_clip-pre_8xb16-u16-22e_sthv2-rgb.py'

# as pre-trained, before any fine-tuning: paper silent
pretrained = 'https://dl.fbaipublicfiles.com/mae/pretrain/mae_pretrain_vit_base.pth'

model = dict(
    backbone=dict(
        vit='vit',
        init_cfg=dict(checkpoint=pretrained)))

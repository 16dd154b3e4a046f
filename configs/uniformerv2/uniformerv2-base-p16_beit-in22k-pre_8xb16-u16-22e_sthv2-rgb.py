# UniFormerV2-B/16 on Something-Something V2 from BEiT of ImageNet-22K, 16 frames: 67.7 top-1 in the
# paper (table 8).
_base_ = 'uniformerv2-base-p16_clip-pre_8xb16-u16-22e_sthv2-rgb.py'

# beit_base_patch16_224_pt22k_ft22k of its authors, who have moved it several times. Whether it
# saw labels: paper silent
pretrained = 'work_dirs/beit_base_patch16_224_pt22k_ft22k.pth'

model = dict(
    backbone=dict(
        vit='beit',
        init_cfg=dict(checkpoint=pretrained)))

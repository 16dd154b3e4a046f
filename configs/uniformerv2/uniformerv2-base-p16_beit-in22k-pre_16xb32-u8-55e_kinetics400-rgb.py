# UniFormerV2-B/16 on Kinetics-400 from BEiT of ImageNet-22K, 8 frames: 82.2 top-1 in the paper (table
# 8).
_base_ = 'uniformerv2-base-p16_clip-pre_16xb32-u8-55e_kinetics400-rgb.py'

# beit_base_patch16_224_pt22k_ft22k of its authors, who have moved it several times. Whether it
# saw labels: paper silent
pretrained = 'work_dirs/beit_base_patch16_224_pt22k_ft22k.pth'

model = dict(
    backbone=dict(
        vit='beit',
        init_cfg=dict(checkpoint=pretrained)))

# SMViT-L on Something-Something V2 from masked pre-training on the same: 74.9 top-1 in 3 × 1 views in the paper
# (table 6).
_base_ = './smvit-large-p244_mae-k400-pre_32xb8-u16-40e_sthv2-rgb.py'

# what our recipe for masked pre-training leaves; the authors published none
pretrained = 'work_dirs/mae_smvit-large-p244_64xb16-u16-1600e_sthv2-rgb/epoch_1600.pth'

model = dict(backbone=dict(init_cfg=dict(checkpoint=pretrained)))

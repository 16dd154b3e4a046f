# SMViT-L on Kinetics-400 as in the ablations (table 3): 800 epochs of pre-training and 50 of fine-tuning, 85.5 top-1 in
# the paper.
_base_ = '../smvit-large-p244_mae-k400-pre_32xb8-16x4x1-100e_kinetics400-rgb.py'

pretrained = 'work_dirs/mae_smvit-large-p244_64xb32-16x4x1-800e_kinetics400-rgb/epoch_200.pth'
model = dict(backbone=dict(init_cfg=dict(checkpoint=pretrained)))

train_cfg = dict(max_epochs=25)  # 50 effective
param_scheduler = [
    _base_.warmup,
    dict(_base_.cosine, end=25)
]

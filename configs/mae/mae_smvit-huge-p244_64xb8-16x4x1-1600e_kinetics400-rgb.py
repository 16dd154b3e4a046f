# Masked pre-training of SMViT-H on Kinetics-400: what differs from SMViT-L in table 11(a).
_base_ = 'mae_smvit-large-p244_64xb8-16x4x1-1600e_kinetics400-rgb.py'

model = dict(
    backbone=dict(
        arch='huge',
        drop_path_rate=0.3))

# Masked pre-training of SMViT-B+ on Kinetics-400. Table 11(a) does not list it: all as for SMViT-B.
_base_ = 'mae_smvit-base-p244_32xb16-16x4x1-1600e_kinetics400-rgb.py'

model = dict(backbone=dict(arch='base_plus'))

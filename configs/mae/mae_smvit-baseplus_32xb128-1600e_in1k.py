# Masked pre-training of SMViT-B+ on ImageNet-1K: all as for SMViT-B in table A1(a).
_base_ = 'mae_smvit-base_32xb128-1600e_in1k.py'

model = dict(backbone=dict(arch='base_plus'))

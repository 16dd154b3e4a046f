# Masked pre-training of SMViT-S on ImageNet-1K as its authors publish it. The schedule is that of SMViT-B: paper
# silent.
_base_ = 'mae_smvit-base_32xb128-1600e_in1k.py'

model = dict(backbone=dict(arch='small'))

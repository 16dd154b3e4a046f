# Masked pre-training of SMViT-L on ImageNet-1K: all as for SMViT-B in table A1(a).
_base_ = 'mae_smvit-base_32xb128-1600e_in1k.py'

model = dict(backbone=dict(arch='large'))

train_dataloader = dict(batch_size=64)  # 4096 in all with 64 GPUs

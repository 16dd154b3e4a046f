# Masked pre-training of SMViT-T on ImageNet-1K. The paper does not have it: all as for SMViT-B in table A1(a).
_base_ = [
    '../_base_/models/mae_smvit_base_image.py',
    '../_base_/datasets/imagenet_mae.py',
    '../_base_/schedules/adamw_1600e_mae-imagenet.py',
    '../_base_/default_runtime_mae.py'
]

model = dict(backbone=dict(arch='tiny'))

train_dataloader = dict(batch_size=128)  # 4096 in all with 32 GPUs

default_hooks = dict(
    checkpoint=dict(interval=20, max_keep_ckpts=3))

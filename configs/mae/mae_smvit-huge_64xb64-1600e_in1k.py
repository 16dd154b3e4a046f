# Masked pre-training of SMViT-H on ImageNet-1K. Numbers are table A1(a)'s.
_base_ = [
    '../_base_/models/mae_smvit_base_image.py',
    '../_base_/datasets/imagenet_mae.py',
    '../_base_/schedules/adamw_1600e_mae-imagenet.py',
    '../_base_/default_runtime_mae.py'
]

model = dict(
    backbone=dict(
        arch='huge',
        drop_path_rate=0.3))

train_dataloader = dict(batch_size=64)  # 4096 in all with 64 GPUs

default_hooks = dict(
    checkpoint=dict(interval=20, max_keep_ckpts=3))

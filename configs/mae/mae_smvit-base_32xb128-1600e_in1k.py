# Masked pre-training of SMViT-B on ImageNet-1K. Numbers are table A1(a)'s, and stand in the bases.
_base_ = [
    '../_base_/models/mae_smvit_base_image.py',
    '../_base_/datasets/imagenet_mae.py',
    '../_base_/schedules/adamw_1600e_mae-imagenet.py',
    '../_base_/default_runtime_image.py'
]

default_hooks = dict(checkpoint=dict(interval=20, max_keep_ckpts=3))
# masks and skipped blocks differ between GPUs
randomness = dict(seed=0, diff_rank_seed=True)

train_dataloader = dict(batch_size=128)  # 4096 in all with 32 GPUs

# Masked pre-training of SMViT-L on Something-Something V2. Numbers are table 12(a)'s.
_base_ = [
    '../_base_/models/mae_smvit_base.py',
    '../_base_/datasets/sthv2_mae.py',
    '../_base_/schedules/adamw_1600e_mae-sthv2.py',
    '../_base_/default_runtime_image.py'
]

model = dict(
    backbone=dict(
        arch='large',
        drop_path_rate=0.2))

default_hooks = dict(
    checkpoint=dict(interval=20, max_keep_ckpts=3),
    # names videos that cannot be read
    unreadable_video=dict(type='mmhvt.UnreadableVideoHook'))
# masks and skipped blocks differ between GPUs
randomness = dict(seed=0, diff_rank_seed=True)

train_dataloader = dict(batch_size=16)  # clips a GPU: 1024 in all with 64 GPUs

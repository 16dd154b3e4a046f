# Masked pre-training of SMViT-B on Kinetics-400. Numbers are table 11(a)'s, and stand in the bases.
_base_ = [
    '../_base_/models/mae_smvit_base.py',
    '../_base_/datasets/kinetics400_mae.py',
    '../_base_/schedules/adamw_1600e-repeat4_mae.py',
    '../_base_/default_runtime_image.py'
]

default_hooks = dict(
    checkpoint=dict(interval=5, max_keep_ckpts=3),
    # names videos that cannot be read
    unreadable_video=dict(type='mmhvt.UnreadableVideoHook'))
# masks and skipped blocks differ between GPUs
randomness = dict(seed=0, diff_rank_seed=True)

train_dataloader = dict(batch_size=4)  # videos, 16 clips a GPU: 512 in all with 32 GPUs

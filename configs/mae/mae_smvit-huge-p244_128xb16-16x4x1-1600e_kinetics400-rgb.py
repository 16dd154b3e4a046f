# Masked pre-training of SMViT-H on Kinetics-400. Numbers are table 11(a)'s.
_base_ = [
    '../_base_/models/mae_smvit_base.py',
    '../_base_/datasets/kinetics400_mae.py',
    '../_base_/schedules/adamw_1600e-repeat4_mae.py',
    '../_base_/default_runtime_mae.py'
]

model = dict(
    backbone=dict(
        arch='huge',
        drop_path_rate=0.3))

train_dataloader = dict(batch_size=4)  # videos, 16 clips a GPU: 512 in all with 128 GPUs

default_hooks = dict(
    checkpoint=dict(interval=5, max_keep_ckpts=3),
    # names videos that cannot be read
    unreadable_video=dict(type='mmhvt.UnreadableVideoHook'))

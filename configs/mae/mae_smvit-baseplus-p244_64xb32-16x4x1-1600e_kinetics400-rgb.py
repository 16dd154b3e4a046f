# Masked pre-training of SMViT-B+ on Kinetics-400. Table 11(a) does not list it: all as for SMViT-B.
_base_ = [
    '../_base_/models/mae_smvit_base.py',
    '../_base_/datasets/kinetics400_mae.py',
    '../_base_/schedules/adamw_1600e-repeat4_mae.py',
    '../_base_/default_runtime_mae.py'
]

model = dict(backbone=dict(arch='base_plus'))

train_dataloader = dict(batch_size=8)  # videos, 32 clips a GPU: 512 in all with 64 GPUs

default_hooks = dict(
    checkpoint=dict(interval=5, max_keep_ckpts=3),
    # names videos that cannot be read
    unreadable_video=dict(type='mmhvt.UnreadableVideoHook'))

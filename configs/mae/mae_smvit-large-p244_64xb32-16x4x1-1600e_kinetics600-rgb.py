# Masked pre-training of SMViT-L on Kinetics-600: all as for Kinetics-400 (table 11(a)).
_base_ = [
    '../_base_/models/mae_smvit_base.py',
    '../_base_/datasets/kinetics400_mae.py',
    '../_base_/schedules/adamw_1600e-repeat4_mae.py',
    '../_base_/default_runtime_mae.py'
]

model = dict(
    backbone=dict(
        arch='large',
        drop_path_rate=0.2))

train_dataloader = dict(
    batch_size=8,  # videos, 32 clips a GPU: 512 in all with 64 GPUs
    dataset=dict(
        ann_file='data/kinetics600/kinetics600_train_list_videos.txt',
        data_prefix=dict(video='data/kinetics600/videos_train')))

default_hooks = dict(
    checkpoint=dict(interval=5, max_keep_ckpts=3),
    # names videos that cannot be read
    unreadable_video=dict(type='mmhvt.UnreadableVideoHook'))

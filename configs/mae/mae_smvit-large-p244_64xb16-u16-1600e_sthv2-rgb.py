# Masked pre-training of SMViT-L on Something-Something V2. Numbers are table 12(a)'s.
_base_ = [
    '../_base_/models/mae_smvit_base.py',
    '../_base_/datasets/sthv2_mae.py',
    '../_base_/schedules/adamw_1600e-repeat4_mae.py',
    '../_base_/default_runtime_mae.py'
]

model = dict(
    backbone=dict(
        arch='large',
        drop_path_rate=0.2))

train_dataloader = dict(batch_size=16)  # clips a GPU: 1024 in all with 64 GPUs

# no repeated sampling, so epochs are the loader's
train_cfg = dict(max_epochs=1600)
optim_wrapper = dict(
    # Of the 1024 clips of table 12(a). Linear rule for n clips: 2e-4 · n / 256.
    optimizer=dict(lr=8e-4))
param_scheduler = [
    _base_.warmup,
    dict(_base_.cosine, end=1600)
]

# `--auto-scale-lr` scales the learning rate by the linear rule
auto_scale_lr = dict(base_batch_size=1024)

default_hooks = dict(
    checkpoint=dict(interval=20, max_keep_ckpts=3),
    # names videos that cannot be read
    unreadable_video=dict(type='mmhvt.UnreadableVideoHook'))

# The smallest SMViT, pre-trained on generated videos, fine-tuned on 40 of them with labels: the last step of `make
# demo-mae`. Except for the weights, it is smvit-micro_1xb16-8x2x1-8e_moving-shapes-40-rgb.py.
_base_ = [
    '../_base_/models/smvit_micro.py',
    '../_base_/datasets/moving_shapes.py',
    '../_base_/schedules/adamw_5e_micro.py',
    '../_base_/default_runtime_micro.py'
]

model = dict(
    backbone=dict(
        # as in pre-training; moves no parameter
        q_pool=2,
        init_cfg=dict(
            _delete_=True,
            type='Pretrained',
            checkpoint='work_dirs/mae_smvit-micro_1xb32-8x2x1-8e_moving-shapes-rgb/epoch_8.pth')))

train_dataloader = dict(
    dataset=dict(
        _delete_=True,
        type='RepeatDataset',
        # 25 steps an epoch
        times=10,
        dataset=dict(
            type='mmhvt.VideoDataset',
            data_root=_base_.data_root,
            ann_file='moving_shapes_train_list_videos.txt',
            data_prefix=dict(video='videos_train'),
            metainfo=_base_.metainfo,
            pipeline=_base_.train_pipeline,
            # the first 5 of each class
            indices=40)))

train_cfg = dict(max_epochs=8, val_interval=2)
optim_wrapper = dict(optimizer=dict(lr=1e-3))
param_scheduler = [dict(_base_.one_cycle, eta_max=1e-3, end=8, total_steps=8)]

default_hooks = dict(logger=dict(interval=5))

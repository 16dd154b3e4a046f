# MViTv2-H on ImageNet-1K (B.2).
_base_ = [
    '../_base_/models/mvitv2_tiny_image.py',
    '../_base_/datasets/imagenet.py',
    '../_base_/pipelines/mvit_image.py',
    '../_base_/schedules/adamw_300e_imagenet.py',
    '../_base_/default_runtime_image.py'
]

model = dict(
    backbone=dict(
        arch='v2_huge',
        drop_path_rate=0.8),
    head=dict(in_channels=1536))

train_dataloader = dict(
    batch_size=32,
    dataset=dict(pipeline=_base_.train_pipeline))
val_dataloader = dict(dataset=dict(pipeline=_base_.test_pipeline))
test_dataloader = val_dataloader

optim_wrapper = dict(optimizer=dict(weight_decay=0.1))

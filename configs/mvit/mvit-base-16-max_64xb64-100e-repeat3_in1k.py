# MViT-B-16 with max-pooling on ImageNet-1K: 82.5 top-1 in the paper (table 17).
_base_ = [
    '../_base_/models/mvit_base_image.py',
    '../_base_/datasets/imagenet.py',
    '../_base_/pipelines/mvit_image.py',
    '../_base_/schedules/adamw_100e-repeat3_imagenet.py',
    '../_base_/default_runtime_image.py'
]

model = dict(
    backbone=dict(
        pool_mode='max',
        # table 15
        pool_kernel='s+1'))

# 4 layers, for max-pooling
train_pipeline = [
    dict(type='LoadImageFromFile'),
    dict(type='RandomResizedCrop', scale=224, backend='pillow', interpolation='bicubic'),
    dict(type='RandomFlip', prob=0.5, direction='horizontal'),
    dict(_base_.rand_augment, num_policies=4),
    _base_.random_erasing,
    dict(type='PackInputs')
]
train_dataloader = dict(
    batch_size=64,
    sampler=dict(_delete_=True, type='RepeatAugSampler', num_repeats=3),
    dataset=dict(pipeline=train_pipeline))
val_dataloader = dict(dataset=dict(pipeline=_base_.test_pipeline))
test_dataloader = val_dataloader

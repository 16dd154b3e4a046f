# MViT-B-24-wide with max-pooling on ImageNet-1K at 320²: 84.3 top-1 (table 17).
_base_ = '../mvit-base-24-wide_64xb64-100e-repeat3_in1k-320px.py'

model = dict(
    backbone=dict(
        pool_mode='max',
        # table 15
        pool_kernel='s+1'))

# 4 layers, for max-pooling
train_pipeline = [
    dict(type='LoadImageFromFile'),
    dict(type='RandomResizedCrop', scale=320, backend='pillow', interpolation='bicubic'),
    dict(type='RandomFlip', prob=0.5, direction='horizontal'),
    dict(_base_.rand_augment, num_policies=4),
    _base_.random_erasing,
    dict(type='PackInputs')
]
train_dataloader = dict(dataset=dict(pipeline=train_pipeline))

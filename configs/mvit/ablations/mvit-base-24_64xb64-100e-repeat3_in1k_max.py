# MViT-B-24 with max-pooling on ImageNet-1K: 83.1 top-1 (table 17).
_base_ = '../mvit-base-24_64xb64-100e-repeat3_in1k.py'

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
train_dataloader = dict(dataset=dict(pipeline=train_pipeline))

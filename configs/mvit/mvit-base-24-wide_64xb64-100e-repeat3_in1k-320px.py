# MViT-B-24-wide on ImageNet-1K at 320²: 84.8 top-1 in the paper (table 17).
_base_ = [
    '../_base_/models/mvit_base_image.py',
    '../_base_/datasets/imagenet.py',
    '../_base_/pipelines/mvit_image.py',
    '../_base_/schedules/adamw_100e-repeat3_imagenet.py',
    '../_base_/default_runtime_image.py'
]

model = dict(
    backbone=dict(
        arch='base_24_wide',
        input_size=(320, 320),
        drop_path_rate=0.3),
    head=dict(in_channels=896))

train_pipeline = [
    dict(type='LoadImageFromFile'),
    dict(type='RandomResizedCrop', scale=320, backend='pillow', interpolation='bicubic'), *_base_.augment
]
# as much larger than the crop as 256 is than 224: SlowFast slowfast/datasets/imagenet.py
test_pipeline = [
    dict(type='LoadImageFromFile'),
    dict(type='ResizeEdge', scale=365, edge='short', backend='pillow', interpolation='bicubic'),
    dict(type='CenterCrop', crop_size=320),
    dict(type='PackInputs')
]
train_dataloader = dict(
    batch_size=64,
    sampler=dict(_delete_=True, type='RepeatAugSampler', num_repeats=3),
    dataset=dict(pipeline=train_pipeline))
val_dataloader = dict(dataset=dict(pipeline=test_pipeline))
test_dataloader = val_dataloader

# MViTv2-H on ImageNet-1K at 512², from 384² (B.2: "initialized from the 384² variant and trained for 3
# epochs with mixup enabled and weight decay of 10⁻⁸").
_base_ = [
    '../_base_/models/mvitv2_tiny_image.py',
    '../_base_/datasets/imagenet.py',
    '../_base_/pipelines/mvit_image.py',
    '../_base_/schedules/adamw_300e_imagenet.py',
    '../_base_/default_runtime_image.py'
]

pretrained = 'work_dirs/mvitv2-huge_in21k-pre_8xb8-30e_in1k-384px/epoch_30.pth'

# relative positions are resized as the file is loaded
model = dict(
    backbone=dict(
        arch='v2_huge',
        input_size=(512, 512),
        # the public weights have one
        with_cls_token=True,
        drop_path_rate=0.8,
        init_cfg=dict(type='Pretrained', checkpoint=pretrained)),
    # the classifier is also loaded from the file
    head=dict(
        in_channels=1536,
        init_cfg=dict(
            _delete_=True,
            type='Pretrained',
            checkpoint=pretrained,
            prefix='head.')))

train_pipeline = [
    dict(type='LoadImageFromFile'),
    dict(type='RandomResizedCrop', scale=512, backend='pillow', interpolation='bicubic'), *_base_.augment
]
# the whole image, resized: the better of the two tests of table A.3: mvit mvit/datasets/imagenet.py
test_pipeline = [
    dict(type='LoadImageFromFile'),
    dict(type='Resize', scale=512, backend='pillow', interpolation='bicubic'),
    dict(type='PackInputs')
]
train_dataloader = dict(
    batch_size=8,
    dataset=dict(pipeline=train_pipeline))
val_dataloader = dict(dataset=dict(pipeline=test_pipeline))
test_dataloader = val_dataloader

train_cfg = dict(max_epochs=3, val_interval=1)
# learning rate as at 384²: no code for it is released
optim_wrapper = dict(
    optimizer=dict(
        lr=7e-5,  # for 64 images
        weight_decay=1e-8))
param_scheduler = [dict(_base_.cosine, eta_min_ratio=0.0, begin=0, end=3)]

auto_scale_lr = dict(base_batch_size=64)

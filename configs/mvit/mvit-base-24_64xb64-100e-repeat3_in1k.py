# MViT-B-24 on ImageNet-1K: 83.4 top-1 in MViTv2's paper (table A.3).
_base_ = [
    '../_base_/models/mvit_base_image.py',
    '../_base_/datasets/imagenet.py',
    '../_base_/pipelines/mvit_image.py',
    '../_base_/schedules/adamw_100e-repeat3_imagenet.py',
    '../_base_/default_runtime_image.py'
]

model = dict(
    backbone=dict(
        arch='base_24',
        drop_path_rate=0.3))

train_dataloader = dict(
    batch_size=64,
    sampler=dict(_delete_=True, type='RepeatAugSampler', num_repeats=3),
    dataset=dict(pipeline=_base_.train_pipeline))
val_dataloader = dict(dataset=dict(pipeline=_base_.test_pipeline))
test_dataloader = val_dataloader

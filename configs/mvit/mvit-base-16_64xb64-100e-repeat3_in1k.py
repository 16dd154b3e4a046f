# MViT-B-16 on ImageNet-1K: 83.0 top-1 in the paper (table 17). Numbers are those of D.5; where it
# refers to DeiT, they are DeiT's.
_base_ = [
    '../_base_/models/mvit_base_image.py',
    '../_base_/datasets/imagenet.py',
    '../_base_/pipelines/mvit_image.py',
    '../_base_/schedules/adamw_100e-repeat3_imagenet.py',
    '../_base_/default_runtime_image.py'
]

train_dataloader = dict(
    batch_size=64,
    sampler=dict(_delete_=True, type='RepeatAugSampler', num_repeats=3),
    dataset=dict(pipeline=_base_.train_pipeline))
val_dataloader = dict(dataset=dict(pipeline=_base_.test_pipeline))
test_dataloader = val_dataloader

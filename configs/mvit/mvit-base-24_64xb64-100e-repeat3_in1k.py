# MViT-B-24 on ImageNet-1K: 83.4 top-1 in MViTv2's paper (table A.3).
_base_ = [
    '../_base_/models/mvit_base_image.py',
    '../_base_/datasets/imagenet.py',
    '../_base_/pipelines/mvit_image.py',
    '../_base_/schedules/adamw_300e_imagenet.py',
    '../_base_/default_runtime_image.py'
]

model = dict(
    backbone=dict(
        arch='base_24',
        drop_path_rate=0.3))

# 100 epochs with 3 repeated augmentation repetitions. mmpretrain's sampler is DeiT's: an epoch of it
# has as many samples as the dataset has images, from a third of them, so 300 are 100 of the paper.
train_dataloader = dict(
    batch_size=64,
    sampler=dict(_delete_=True, type='RepeatAugSampler', num_repeats=3),
    dataset=dict(pipeline=_base_.train_pipeline))
val_dataloader = dict(dataset=dict(pipeline=_base_.test_pipeline))
test_dataloader = val_dataloader

optim_wrapper = dict(optimizer=dict(lr=4e-3))  # 0.0005 for 512 images: for 4096
param_scheduler = [
    dict(_base_.warmup, start_factor=1e-6 / 5e-4, end=5),  # DeiT's; DeiT's
    dict(_base_.cosine, begin=5)
]

auto_scale_lr = dict(base_batch_size=4096)

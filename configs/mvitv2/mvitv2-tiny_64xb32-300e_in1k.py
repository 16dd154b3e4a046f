# MViTv2-T on ImageNet-1K: 82.3 top-1 in the paper (table A.3). Numbers are those of B.2, and D.5 of MViT,
# whose augmentation it has. No repeated augmentation: B.2 does not list it.
_base_ = [
    '../_base_/models/mvitv2_tiny_image.py',
    '../_base_/datasets/imagenet.py',
    '../_base_/pipelines/mvit_image.py',
    '../_base_/schedules/adamw_300e_imagenet.py',
    '../_base_/default_runtime_image.py'
]

train_dataloader = dict(
    batch_size=32,
    dataset=dict(pipeline=_base_.train_pipeline))
val_dataloader = dict(dataset=dict(pipeline=_base_.test_pipeline))
test_dataloader = val_dataloader

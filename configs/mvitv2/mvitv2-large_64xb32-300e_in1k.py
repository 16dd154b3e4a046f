# MViTv2-L on ImageNet-1K: 85.3 top-1 in the paper (table A.3).
_base_ = [
    '../_base_/models/mvitv2_tiny_image.py',
    '../_base_/datasets/imagenet.py',
    '../_base_/pipelines/mvit_image.py',
    '../_base_/schedules/adamw_300e_imagenet.py',
    '../_base_/default_runtime_image.py'
]

model = dict(
    backbone=dict(
        arch='v2_large',
        # the public weights use this, as the 218 M parameters of table A.3 show; MViTv2-L on video (table A.2) and the
        # public weights of ImageNet-21K use 'attn'
        expand_in='mlp',
        drop_path_rate=0.5),
    head=dict(in_channels=1152))

train_dataloader = dict(
    batch_size=32,
    dataset=dict(pipeline=_base_.train_pipeline))
val_dataloader = dict(dataset=dict(pipeline=_base_.test_pipeline))
test_dataloader = val_dataloader

optim_wrapper = dict(optimizer=dict(weight_decay=0.1))

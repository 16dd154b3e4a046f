# Swin-L for images of 384² on ImageNet-1K as mmpretrain publishes it. The training is MViTv2's.
_base_ = [
    '../_base_/models/swin_tiny_image.py',
    '../_base_/datasets/imagenet.py',
    '../_base_/pipelines/mvit_image_384px.py',
    '../_base_/schedules/adamw_300e_imagenet.py',
    '../_base_/default_runtime_image.py'
]

model = dict(
    backbone=dict(
        arch='large',
        input_size=(384, 384),
        window_size=(12, 12)),
    head=dict(in_channels=1536))

train_dataloader = dict(
    batch_size=32,  # 2048 in all with 64 GPUs
    dataset=dict(pipeline=_base_.train_pipeline))
val_dataloader = dict(dataset=dict(pipeline=_base_.test_pipeline))
test_dataloader = val_dataloader

# MViTv2-H on ImageNet-21K and 1K (B.2).
_base_ = [
    '../_base_/models/mvitv2_tiny_image.py',
    '../_base_/datasets/imagenet21k.py',
    '../_base_/pipelines/mvit_image.py',
    '../_base_/schedules/adamw_300e_imagenet.py',
    '../_base_/default_runtime_image.py'
]

model = dict(
    backbone=dict(
        arch='v2_huge',
        # the public weights of ImageNet-21K have one
        with_cls_token=True,
        drop_path_rate=0.8),
    head=dict(
        num_classes=19168,
        in_channels=1536))

train_dataloader = dict(
    batch_size=32,
    dataset=dict(pipeline=_base_.train_pipeline))

train_cfg = dict(max_epochs=60)
val_cfg = None
test_cfg = None

optim_wrapper = dict(
    optimizer=dict(
        lr=8e-4,  # 1e-4 for 256 images: for 2048
        weight_decay=0.1))
param_scheduler = [
    dict(_base_.warmup, end=14),
    dict(_base_.cosine, begin=14, end=60)
]

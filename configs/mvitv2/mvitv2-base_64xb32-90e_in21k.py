# MViTv2-B on ImageNet-21K and 1K (B.2).
_base_ = [
    '../_base_/models/mvitv2_tiny_image.py',
    '../_base_/datasets/imagenet21k.py',
    '../_base_/pipelines/mvit_image.py',
    '../_base_/schedules/adamw_300e_imagenet.py',
    '../_base_/default_runtime_image.py'
]

model = dict(
    backbone=dict(
        arch='v2_base',
        # the public weights of ImageNet-21K have one
        with_cls_token=True,
        drop_path_rate=0.3),
    head=dict(num_classes=19168))

train_dataloader = dict(
    batch_size=32,
    dataset=dict(pipeline=_base_.train_pipeline))

train_cfg = dict(max_epochs=90)
val_cfg = None
test_cfg = None

optim_wrapper = dict(
    optimizer=dict(
        lr=5.4e-4,  # 6.75e-5 for 256 images: for 2048
        weight_decay=0.01))
# warm-up in proportion to the epochs: no code for it is released
param_scheduler = [
    dict(_base_.warmup, end=21),
    dict(_base_.cosine, begin=21, end=90)
]

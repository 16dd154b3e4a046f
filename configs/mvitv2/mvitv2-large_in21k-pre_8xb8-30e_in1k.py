# MViTv2-L on ImageNet-1K from ImageNet-21K. Numbers are those of B.2; the rest is as for training from
# scratch.
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
        expand_in='attn',
        # the public weights have one
        with_cls_token=True,
        drop_path_rate=0.5,
        init_cfg=dict(
            type='Pretrained',
            checkpoint='https://dl.fbaipublicfiles.com/mvit/mvitv2_models/MViTv2_L_in21k.pyth')),
    head=dict(in_channels=1152),
    # mixup is disabled, and with it CutMix, as by PySlowFast's switch
    train_cfg=None)

train_dataloader = dict(
    batch_size=8,
    dataset=dict(pipeline=_base_.train_pipeline))
val_dataloader = dict(dataset=dict(pipeline=_base_.test_pipeline))
test_dataloader = val_dataloader

train_cfg = dict(max_epochs=30)
optim_wrapper = dict(optimizer=dict(lr=7e-5))  # for 64 images
# no warm-up: no code for it is released
param_scheduler = [dict(_base_.cosine, eta_min_ratio=0.0, begin=0, end=30)]

auto_scale_lr = dict(base_batch_size=64)

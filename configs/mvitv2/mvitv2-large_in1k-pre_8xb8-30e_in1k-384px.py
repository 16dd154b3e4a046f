# MViTv2-L on ImageNet-1K at 384², from 224²: 86.3 top-1 in the paper (table A.3).
# Numbers are those of B.2; the rest is as for 224².
_base_ = [
    '../_base_/models/mvitv2_tiny_image.py',
    '../_base_/datasets/imagenet.py',
    '../_base_/pipelines/mvit_image_384px.py',
    '../_base_/schedules/adamw_300e_imagenet.py',
    '../_base_/default_runtime_image.py'
]

# relative positions are resized as the file is loaded. The public
# https://dl.fbaipublicfiles.com/mvit/mvitv2_models/MViTv2_L_in1k.pyth is enough for the backbone
pretrained = 'work_dirs/mvitv2-large_64xb32-300e_in1k/epoch_300.pth'

model = dict(
    backbone=dict(
        arch='v2_large',
        # the public weights use this, as the 218 M parameters of table A.3 show; MViTv2-L on video (table A.2) and the
        # public weights of ImageNet-21K use 'attn'
        expand_in='mlp',
        input_size=(384, 384),
        drop_path_rate=0.5,
        init_cfg=dict(type='Pretrained', checkpoint=pretrained)),
    # the classifier is also loaded from the file
    head=dict(
        in_channels=1152,
        init_cfg=dict(
            _delete_=True,
            type='Pretrained',
            checkpoint=pretrained,
            prefix='head.')),
    # mixup is disabled, and with it CutMix, as by PySlowFast's switch
    train_cfg=None)

train_dataloader = dict(
    batch_size=8,
    dataset=dict(pipeline=_base_.train_pipeline))
val_dataloader = dict(dataset=dict(pipeline=_base_.test_pipeline))
test_dataloader = val_dataloader

train_cfg = dict(max_epochs=30)
optim_wrapper = dict(
    optimizer=dict(
        lr=5e-4,  # for 64 images
        weight_decay=0.1))
# no warm-up: no code for it is released
param_scheduler = [dict(_base_.cosine, eta_min_ratio=0.0, begin=0, end=30)]

auto_scale_lr = dict(base_batch_size=64)

# MViTv2-H on ImageNet-1K from ImageNet-21K. Numbers are those of B.2; the rest is as for training from
# scratch.
_base_ = 'mvitv2-huge_64xb32-300e_in1k.py'

model = dict(
    # mixup is disabled, and with it CutMix, as by PySlowFast's switch
    train_cfg=None,
    backbone=dict(
        # the public weights have one, and add its query to it
        with_cls_token=True,
        residual_pooling='all',
        init_cfg=dict(
            type='Pretrained',
            checkpoint='https://dl.fbaipublicfiles.com/mvit/mvitv2_models/MViTv2_H_in21k.pyth')))

train_dataloader = dict(batch_size=8)
train_cfg = dict(max_epochs=30)
optim_wrapper = dict(
    optimizer=dict(
        lr=7e-5,  # for 64 images
        weight_decay=5e-2))
# no warm-up: paper silent
param_scheduler = [
    dict(
        type='CosineAnnealingLR',
        eta_min=0,
        begin=0,
        end=30,
        convert_to_iter_based=True)
]

auto_scale_lr = dict(base_batch_size=64)

# MViTv2-H on ImageNet-1K at 512², from 384² (B.2: "initialized from the 384² variant and trained for 3
# epochs with mixup enabled and weight decay of 10⁻⁸").
_base_ = 'mvitv2-huge_in21k-pre_8xb8-30e_in1k-384px.py'

pretrained = 'work_dirs/mvitv2-huge_in21k-pre_8xb8-30e_in1k-384px/epoch_30.pth'

model = dict(
    backbone=dict(
        input_size=(512, 512),
        init_cfg=dict(checkpoint=pretrained)),
    # the classifier goes on from the file too
    head=dict(init_cfg=dict(_delete_=True, type='Pretrained', checkpoint=pretrained, prefix='head.')),
    train_cfg=dict(
        _delete_=True,
        augments=dict(
            type='mmhvt.models.MixupCutmix',
            num_classes=1000,
            mixup_alpha=0.8,
            cutmix_alpha=1.0)))

train_pipeline = _base_.train_pipeline
train_pipeline[1].update(scale=512)
# the whole image, resized: the better of the two tests of table A.3
test_pipeline = [
    dict(type='LoadImageFromFile'),
    dict(type='Resize', scale=512, backend='pillow', interpolation='bicubic'),
    dict(type='PackInputs')
]
train_dataloader = dict(dataset=dict(pipeline=train_pipeline))
val_dataloader = dict(dataset=dict(pipeline=test_pipeline))
test_dataloader = dict(dataset=dict(pipeline=test_pipeline))

train_cfg = dict(max_epochs=3, val_interval=1)
# learning rate as at 384²: paper silent
optim_wrapper = dict(optimizer=dict(weight_decay=1e-8))
param_scheduler = [
    dict(
        type='CosineAnnealingLR',
        eta_min=0,
        begin=0,
        end=3,
        convert_to_iter_based=True)
]

# MViTv2-H on ImageNet-1K at 384², from 224² (B.2).
# Numbers are those of B.2; the rest is as for 224².
_base_ = 'mvitv2-huge_64xb32-300e_in1k.py'

# relative positions are resized as the file is loaded
pretrained = 'work_dirs/mvitv2-huge_64xb32-300e_in1k/epoch_300.pth'

model = dict(
    # mixup is disabled, and with it CutMix, as by PySlowFast's switch
    train_cfg=None,
    backbone=dict(
        input_size=(384, 384),
        init_cfg=dict(type='Pretrained', checkpoint=pretrained)),
    # the classifier goes on from the file too
    head=dict(init_cfg=dict(_delete_=True, type='Pretrained', checkpoint=pretrained, prefix='head.')))

train_pipeline = _base_.train_pipeline
train_pipeline[1].update(scale=384)
# the whole image, resized: the better of the two tests of table A.3
test_pipeline = [
    dict(type='LoadImageFromFile'),
    dict(type='Resize', scale=384, backend='pillow', interpolation='bicubic'),
    dict(type='PackInputs')
]
train_dataloader = dict(
    batch_size=8,
    dataset=dict(pipeline=train_pipeline))
val_dataloader = dict(dataset=dict(pipeline=test_pipeline))
test_dataloader = dict(dataset=dict(pipeline=test_pipeline))

train_cfg = dict(max_epochs=30)
optim_wrapper = dict(optimizer=dict(lr=5e-4))  # for 64 images
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

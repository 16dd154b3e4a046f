# MViTv2-H on ImageNet-1K at 384² from ImageNet-21K (B.2).
_base_ = 'mvitv2-huge_in21k-pre_8xb8-30e_in1k.py'

# relative positions are resized as the file is loaded
model = dict(backbone=dict(input_size=(384, 384)))

train_pipeline = _base_.train_pipeline
train_pipeline[1].update(scale=384)
# the whole image, resized: the better of the two tests of table A.3
test_pipeline = [
    dict(type='LoadImageFromFile'),
    dict(type='Resize', scale=384, backend='pillow', interpolation='bicubic'),
    dict(type='PackInputs')
]
train_dataloader = dict(dataset=dict(pipeline=train_pipeline))
val_dataloader = dict(dataset=dict(pipeline=test_pipeline))
test_dataloader = dict(dataset=dict(pipeline=test_pipeline))

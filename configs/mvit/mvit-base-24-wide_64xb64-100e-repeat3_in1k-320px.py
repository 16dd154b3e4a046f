# MViT-B-24-wide on ImageNet-1K at 320²: 84.8 top-1 in the paper (table 17).
_base_ = 'mvit-base-24_64xb64-100e-repeat3_in1k.py'

model = dict(
    backbone=dict(
        arch='base_24_wide',
        input_size=(320, 320)),
    head=dict(in_channels=896))

train_pipeline = _base_.train_pipeline
train_pipeline[1].update(scale=320)
test_pipeline = _base_.test_pipeline
# as much larger than the crop as 256 is than 224: DeiT's
test_pipeline[1].update(scale=366)
test_pipeline[2].update(crop_size=320)
train_dataloader = dict(dataset=dict(pipeline=train_pipeline))
val_dataloader = dict(dataset=dict(pipeline=test_pipeline))
test_dataloader = dict(dataset=dict(pipeline=test_pipeline))

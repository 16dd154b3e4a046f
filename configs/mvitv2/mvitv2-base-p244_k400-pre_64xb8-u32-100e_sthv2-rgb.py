# MViTv2-B with 32 frames on Something-Something V2 from Kinetics-400 (B.5).
_base_ = 'mvitv2-small-p244_k400-pre_64xb8-u16-100e_sthv2-rgb.py'

pretrained = 'work_dirs/mvitv2-base-p244_128xb4-32x3x1-200e_kinetics400-rgb/epoch_200.pth'

model = dict(
    backbone=dict(
        arch='v2_base',
        input_size=(32, 224, 224),
        init_cfg=dict(checkpoint=pretrained)))

clip = dict(clip_len=32)
train_pipeline = _base_.train_pipeline
val_pipeline = _base_.val_pipeline
test_pipeline = _base_.test_pipeline
train_pipeline[1].update(clip)
val_pipeline[1].update(clip)
test_pipeline[1].update(clip)
train_dataloader = dict(dataset=dict(pipeline=train_pipeline))
val_dataloader = dict(dataset=dict(pipeline=val_pipeline))
test_dataloader = dict(dataset=dict(pipeline=test_pipeline))

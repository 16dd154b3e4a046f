# MViT-B with 64 frames on Something-Something V2 from Kinetics-400: 67.7 top-1 in 3 × 1 views in
# the paper (table 6).
_base_ = 'mvit-base-p244_k400-pre_64xb8-u16-100e_sthv2-rgb.py'

pretrained = 'work_dirs/mvit-base-p244_k400-32x3-pre_64xb2-64x3x1-5e_kinetics400-rgb/epoch_5.pth'

model = dict(
    backbone=dict(
        input_size=(64, 224, 224),
        init_cfg=dict(checkpoint=pretrained)))

clip = dict(clip_len=64)
train_pipeline = _base_.train_pipeline
val_pipeline = _base_.val_pipeline
test_pipeline = _base_.test_pipeline
train_pipeline[1].update(clip)
val_pipeline[1].update(clip)
test_pipeline[1].update(clip)
train_dataloader = dict(dataset=dict(pipeline=train_pipeline))
val_dataloader = dict(dataset=dict(pipeline=val_pipeline))
test_dataloader = dict(dataset=dict(pipeline=test_pipeline))

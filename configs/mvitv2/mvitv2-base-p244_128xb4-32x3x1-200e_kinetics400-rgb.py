# MViTv2-B 32×3 on Kinetics-400 from scratch (B.4).
_base_ = 'mvitv2-small-p244_128xb4-16x4x1-200e_kinetics400-rgb.py'

model = dict(
    backbone=dict(
        arch='v2_base',
        input_size=(32, 224, 224),
        drop_path_rate=0.3))

clip = dict(clip_len=32, frame_interval=3)
train_pipeline = _base_.train_pipeline
val_pipeline = _base_.val_pipeline
test_pipeline = _base_.test_pipeline
train_pipeline[1].update(clip)
val_pipeline[1].update(clip)
test_pipeline[1].update(clip)
train_dataloader = dict(dataset=dict(pipeline=train_pipeline))
val_dataloader = dict(dataset=dict(pipeline=val_pipeline))
test_dataloader = dict(dataset=dict(pipeline=test_pipeline))

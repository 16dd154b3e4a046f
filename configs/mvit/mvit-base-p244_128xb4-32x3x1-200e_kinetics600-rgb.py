# MViT-B 32×3 on Kinetics-600 from scratch: 83.4 top-1 in 1 × 5 views in the paper (table 5).
_base_ = 'mvit-base-p244_128xb4-16x4x1-200e_kinetics600-rgb.py'

model = dict(backbone=dict(input_size=(32, 224, 224)))

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

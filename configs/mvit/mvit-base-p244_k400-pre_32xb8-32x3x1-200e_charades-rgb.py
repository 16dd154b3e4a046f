# MViT-B 32×3 on Charades from Kinetics-400: 44.3 mAP in 3 × 10 views in the paper (table 7).
_base_ = 'mvit-base-p244_k400-pre_32xb8-16x4x1-200e_charades-rgb.py'

pretrained = 'work_dirs/mvit-base-p244_128xb4-32x3x1-200e_kinetics400-rgb/epoch_200.pth'

model = dict(
    backbone=dict(
        input_size=(32, 224, 224),
        init_cfg=dict(checkpoint=pretrained)))

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

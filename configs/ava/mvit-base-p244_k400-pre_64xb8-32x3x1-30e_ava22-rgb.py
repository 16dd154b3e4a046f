# MViT-B 32×3 on AVA v2.2 from Kinetics-400: 26.8 mAP in the paper (table 8).
_base_ = 'mvit-base-p244_k400-pre_64xb8-16x4x1-30e_ava22-rgb.py'

pretrained = 'work_dirs/mvit-base-p244_128xb4-32x3x1-200e_kinetics400-rgb/epoch_200.pth'

model = dict(
    backbone=dict(
        input_size=(32, 224, 224),
        init_cfg=dict(checkpoint=pretrained)))

clip = dict(clip_len=32, frame_interval=3)
train_pipeline = _base_.train_pipeline
test_pipeline = _base_.test_pipeline
train_pipeline[0].update(clip)
test_pipeline[0].update(clip)
train_dataloader = dict(dataset=dict(pipeline=train_pipeline))
val_dataloader = dict(dataset=dict(pipeline=test_pipeline))
test_dataloader = dict(dataset=dict(pipeline=test_pipeline))

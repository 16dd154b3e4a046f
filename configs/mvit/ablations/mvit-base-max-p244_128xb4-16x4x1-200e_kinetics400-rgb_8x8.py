# MViT-B, max-pooling, on 8 frames with stride 8, each of which makes tokens: 75.9 top-1 (table 12).
_base_ = '../mvit-base-max-p244_128xb4-16x4x1-200e_kinetics400-rgb.py'

model = dict(
    backbone=dict(
        input_size=(8, 224, 224),
        patch_stride=(1, 4, 4)))

clip = dict(_base_.clip, clip_len=8, frame_interval=8)
train_pipeline = [
    dict(type='mmhvt.DecordInit'),
    dict(num_clips=1, **clip),
    dict(type='DecordDecode'), *_base_.augment
]
val_pipeline = [
    dict(type='mmhvt.DecordInit'),
    dict(num_clips=1, test_mode=True, **clip),
    dict(type='DecordDecode'), *_base_.center_crop
]
test_pipeline = [
    dict(type='mmhvt.DecordInit'),
    dict(num_clips=5, test_mode=True, **clip),
    dict(type='DecordDecode'), *_base_.center_crop
]
train_dataloader = dict(dataset=dict(pipeline=train_pipeline))
val_dataloader = dict(dataset=dict(pipeline=val_pipeline))
test_dataloader = dict(dataset=dict(pipeline=test_pipeline))

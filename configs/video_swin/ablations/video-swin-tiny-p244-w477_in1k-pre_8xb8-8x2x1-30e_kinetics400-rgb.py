# Video Swin-T on Kinetics-400 with 4 tokens in time, which one window spans (table 5). The stride is that of 32
# frames, which section 4.1 gives unless otherwise mentioned.
_base_ = '../video-swin-tiny-p244-w877_in1k-pre_8xb8-32x2x1-30e_kinetics400-rgb.py'

model = dict(backbone=dict(input_size=(8, 224, 224), window_size=(4, 7, 7)))

clip = dict(_base_.clip, clip_len=8)
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
    dict(num_clips=4, test_mode=True, **clip),
    dict(type='DecordDecode'), *_base_.three_crops
]
train_dataloader = dict(dataset=dict(pipeline=train_pipeline))
val_dataloader = dict(dataset=dict(pipeline=val_pipeline))
test_dataloader = dict(dataset=dict(pipeline=test_pipeline))

# Without temporal downsampling, and with half the frames for about as many FLOPs (uniformerv2, table 9a). Tables 9a and
# 15 have the same accuracies for the models without UniBlocks and with local ones alone, so table 15 has 8 frames.
_base_ = '../uniformerv2-base-p16_clip-pre_8xb32-u16-22e_sthv2-rgb.py'

model = dict(backbone=dict(input_size=(8, 224, 224), temporal_downsample=False))

clip = dict(type='UniformSample', clip_len=8)
train_pipeline = [
    dict(type='mmhvt.DecordInit'),
    clip,
    dict(type='DecordDecode'), *_base_.augment
]
val_pipeline = [
    dict(type='mmhvt.DecordInit'),
    dict(test_mode=True, **clip),
    dict(type='DecordDecode'), *_base_.center_crop
]
test_pipeline = [
    dict(type='mmhvt.DecordInit'),
    dict(test_mode=True, **clip),
    dict(type='DecordDecode'), *_base_.three_crops
]
train_dataloader = dict(dataset=dict(pipeline=train_pipeline))
val_dataloader = dict(dataset=dict(pipeline=val_pipeline))
test_dataloader = dict(dataset=dict(pipeline=test_pipeline))

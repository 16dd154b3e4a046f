# With local UniBlocks, temporal downsampling and twice the frames on Kinetics-400 (uniformerv2, table 9a). The model is
# that of Something-Something, whose training may begin with it (table 13).
_base_ = '../uniformerv2-base-p16_clip-pre_16xb32-u8-55e_kinetics400-rgb.py'

model = dict(
    backbone=dict(
        input_size=(16, 224, 224),
        local_layers='all',
        global_layers='last 8',
        temporal_downsample=True))

clip = dict(type='UniformSample', clip_len=16)
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
    dict(num_clips=4, test_mode=True, **clip),
    dict(type='DecordDecode'), *_base_.three_crops
]
train_dataloader = dict(dataset=dict(pipeline=train_pipeline))
val_dataloader = dict(dataset=dict(pipeline=val_pipeline))
test_dataloader = dict(dataset=dict(pipeline=test_pipeline))

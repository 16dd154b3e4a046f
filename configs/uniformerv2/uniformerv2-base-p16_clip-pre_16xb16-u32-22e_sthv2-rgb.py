# UniFormerV2-B/16 on Something-Something V2 from CLIP, 32 frames: 70.7 top-1 in 3 × 1 views in the
# paper (table 18).
_base_ = [
    '../_base_/models/uniformerv2_base_sth.py',
    '../_base_/datasets/sthv2_repeat2.py',
    '../_base_/pipelines/uniformerv2_sth.py',
    '../_base_/schedules/adamw_22e_uniformerv2.py',
    '../_base_/default_runtime.py'
]

model = dict(backbone=dict(input_size=(32, 224, 224)))

clip = dict(type='UniformSample', clip_len=32)
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
# 3 crops of one clip (table 4)
test_pipeline = [
    dict(type='mmhvt.DecordInit'),
    dict(test_mode=True, **clip),
    dict(type='DecordDecode'), *_base_.three_crops
]
train_dataloader = dict(
    batch_size=8,  # videos, 16 clips a GPU: 128 videos in all with 16 GPUs
    dataset=dict(pipeline=train_pipeline))
val_dataloader = dict(dataset=dict(pipeline=val_pipeline))
test_dataloader = dict(dataset=dict(pipeline=test_pipeline))

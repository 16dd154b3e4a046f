# Generated videos, 8 classes that differ in motion alone:
#   python tools/data/moving_shapes.py data/moving_shapes
dataset_type = 'mmhvt.VideoDataset'
data_root = 'data/moving_shapes'
metainfo = dict(
    classes=('up', 'down', 'left', 'right', 'clockwise', 'counter-clockwise',
             'growing', 'shrinking'))

# 8 of the 24 frames, over two thirds of the clip. Never flip: it turns a class into its opposite.
clip = dict(type='SampleFrames', clip_len=8, frame_interval=2)
pack = dict(type='PackActionInputs', meta_keys=('img_shape', 'filename'))

train_pipeline = [
    dict(type='mmhvt.DecordInit'),
    clip,
    dict(type='DecordDecode'),
    dict(type='Resize', scale=(32, 32), keep_ratio=False),
    dict(type='FormatShape', input_format='NCTHW'),
    pack
]
val_pipeline = [
    dict(type='mmhvt.DecordInit'),
    dict(test_mode=True, **clip),
    dict(type='DecordDecode'),
    dict(type='Resize', scale=(32, 32), keep_ratio=False),
    dict(type='FormatShape', input_format='NCTHW'),
    pack
]
test_pipeline = val_pipeline

train_dataloader = dict(
    batch_size=16,
    num_workers=1,
    persistent_workers=True,
    sampler=dict(type='DefaultSampler', shuffle=True),
    dataset=dict(
        type=dataset_type,
        data_root=data_root,
        ann_file='moving_shapes_train_list_videos.txt',
        data_prefix=dict(video='videos_train'),
        metainfo=metainfo,
        pipeline=train_pipeline))
val_dataloader = dict(
    batch_size=32,
    num_workers=1,
    persistent_workers=True,
    sampler=dict(type='DefaultSampler', shuffle=False),
    dataset=dict(
        type=dataset_type,
        data_root=data_root,
        ann_file='moving_shapes_val_list_videos.txt',
        data_prefix=dict(video='videos_val'),
        metainfo=metainfo,
        pipeline=val_pipeline,
        test_mode=True))
test_dataloader = val_dataloader

val_evaluator = dict(type='mmhvt.AccMetric')
test_evaluator = val_evaluator

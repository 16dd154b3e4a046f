# Video quality assessment with the smallest SMViT, on the videos that docs/contributing/video_score.py writes.
_base_ = [
    '../../configs/_base_/models/smvit_micro.py',
    '../../configs/_base_/schedules/adamw_5e_micro.py',
    '../../configs/_base_/default_runtime_micro.py',
]
# registers ScoreDataset, ScoreHead and ScoreMetric; a class of the package itself needs no import
custom_imports = dict(imports=['mmhvt', 'video_score'], allow_failed_imports=False)

model = dict(cls_head=dict(_delete_=True, type='mmhvt.ScoreHead', in_channels=384, mean=3.0))

data_root = 'data/video_score'
clip = dict(type='SampleFrames', clip_len=8, frame_interval=2)
# `score` of the dataset reaches head and metric as metainfo of the sample
pack = dict(type='PackActionInputs', meta_keys=('filename', 'score'))
train_pipeline = [
    dict(type='mmhvt.DecordInit'),
    clip,
    dict(type='DecordDecode'),
    dict(type='Flip'),
    dict(type='FormatShape', input_format='NCTHW'),
    pack,
]
val_pipeline = [
    dict(type='mmhvt.DecordInit'),
    dict(test_mode=True, **clip),
    dict(type='DecordDecode'),
    dict(type='FormatShape', input_format='NCTHW'),
    pack,
]

train_dataloader = dict(
    batch_size=16,
    num_workers=1,
    persistent_workers=True,
    sampler=dict(type='DefaultSampler', shuffle=True),
    dataset=dict(
        type='mmhvt.ScoreDataset',
        data_root=data_root,
        ann_file='train.txt',
        data_prefix=dict(video='videos_train'),
        pipeline=train_pipeline,
    ),
)
val_dataloader = dict(
    batch_size=32,
    num_workers=1,
    persistent_workers=True,
    sampler=dict(type='DefaultSampler', shuffle=False),
    dataset=dict(
        type='mmhvt.ScoreDataset',
        data_root=data_root,
        ann_file='val.txt',
        data_prefix=dict(video='videos_val'),
        pipeline=val_pipeline,
        test_mode=True,
    ),
)
test_dataloader = val_dataloader

val_evaluator = dict(type='mmhvt.ScoreMetric')
test_evaluator = val_evaluator

# MMEngine knows which of its own metrics are better when greater
default_hooks = dict(checkpoint=dict(save_best='score/SRCC', rule='greater'))

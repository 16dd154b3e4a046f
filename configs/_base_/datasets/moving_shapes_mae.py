# Generated videos for masked pre-training; labels are not read:
#   python tools/data/moving_shapes.py data/moving_shapes
data_root = 'data/moving_shapes'

train_pipeline = [
    dict(type='mmhvt.DecordInit'),
    dict(type='SampleFrames', clip_len=8, frame_interval=2),
    dict(type='DecordDecode'),
    dict(type='Resize', scale=(32, 32), keep_ratio=False),
    dict(type='FormatShape', input_format='NCTHW'),
    dict(type='PackActionInputs')
]
train_dataloader = dict(
    batch_size=16,  # videos, 64 clips
    num_workers=1,
    persistent_workers=True,
    sampler=dict(type='DefaultSampler', shuffle=True),
    collate_fn=dict(type='repeat_pseudo_collate'),
    dataset=dict(
        # the names of its pipeline are mmaction's
        _scope_='mmaction',
        type='mmhvt.RepeatAugDataset',
        # repeated sampling: a video is decoded once for 4 clips
        num_repeats=4,
        data_root=data_root,
        ann_file='moving_shapes_train_list_videos.txt',
        data_prefix=dict(video='videos_train'),
        # pre-training reads no labels; a list without them is enough
        labels='ignored',
        pipeline=train_pipeline))

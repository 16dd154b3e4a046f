# Charades, clips of 16 frames with stride 4, for MViT (mvit, D.3). Lines of the annotation files are
# a video and all labels that it has: "46GP8.mp4 92 147". A clip has the labels of its video: paper
# silent.
dataset_type = 'mmhvt.VideoDataset'
data_root = 'data/charades/videos'
ann_file_train = 'data/charades/charades_train_list_videos.txt'
ann_file_val = 'data/charades/charades_val_list_videos.txt'
num_classes = 157

clip = dict(type='SampleFrames', clip_len=16, frame_interval=4)

# that of Kinetics (mvit, D.1)
train_pipeline = [
    dict(type='mmhvt.DecordInit'),
    dict(num_clips=1, **clip),
    dict(type='DecordDecode'),
    # bounds the work of what follows
    dict(type='Resize', scale=(-1, 256)),
    dict(
        type='mmhvt.RandAugment',
        magnitude=7,
        magnitude_std=0.5,
        num_ops=4,
        prob=0.5),
    dict(
        type='RandomResizedCrop',
        area_range=(0.08, 1.0),
        aspect_ratio_range=(3 / 4, 4 / 3)),
    dict(type='Resize', scale=(224, 224), keep_ratio=False),
    dict(type='Flip', flip_ratio=0.5),
    dict(
        type='RandomErasing',
        erase_prob=0.25,
        min_area_ratio=0.02,
        max_area_ratio=1 / 3,
        mode='rand',
        fill_color=(114.75, 114.75, 114.75),
        fill_std=(57.375, 57.375, 57.375)),
    dict(type='FormatShape', input_format='NCTHW'),
    dict(type='PackActionInputs')
]
# one centre crop of the middle clip, to follow the training
val_pipeline = [
    dict(type='mmhvt.DecordInit'),
    dict(num_clips=1, test_mode=True, **clip),
    dict(type='DecordDecode'),
    dict(type='Resize', scale=(-1, 256)),
    dict(type='CenterCrop', crop_size=224),
    dict(type='FormatShape', input_format='NCTHW'),
    dict(type='PackActionInputs')
]
# 3 spatial × 10 temporal views: table 7
test_pipeline = [
    dict(type='mmhvt.DecordInit'),
    dict(num_clips=10, test_mode=True, **clip),
    dict(type='DecordDecode'),
    dict(type='Resize', scale=(-1, 256)),
    dict(type='mmhvt.ThreeCrop', crop_size=224),
    dict(type='FormatShape', input_format='NCTHW'),
    dict(type='PackActionInputs')
]

# no repeated augmentation: paper silent
train_dataloader = dict(
    batch_size=8,
    num_workers=8,
    persistent_workers=True,
    sampler=dict(type='DefaultSampler', shuffle=True),
    dataset=dict(
        type=dataset_type,
        ann_file=ann_file_train,
        data_prefix=dict(video=data_root),
        multi_class=True,
        num_classes=num_classes,
        pipeline=train_pipeline))
val_dataloader = dict(
    batch_size=8,
    num_workers=8,
    persistent_workers=True,
    sampler=dict(type='DefaultSampler', shuffle=False),
    dataset=dict(
        type=dataset_type,
        ann_file=ann_file_val,
        data_prefix=dict(video=data_root),
        multi_class=True,
        num_classes=num_classes,
        pipeline=val_pipeline,
        test_mode=True))
test_dataloader = dict(
    batch_size=1,
    num_workers=8,
    persistent_workers=True,
    sampler=dict(type='DefaultSampler', shuffle=False),
    dataset=dict(
        type=dataset_type,
        ann_file=ann_file_val,
        data_prefix=dict(video=data_root),
        multi_class=True,
        num_classes=num_classes,
        pipeline=test_pipeline,
        test_mode=True))

val_evaluator = dict(type='AccMetric', metric_list='mean_average_precision')
test_evaluator = val_evaluator

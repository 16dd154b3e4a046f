# Your own videos: a folder for each class in data/own_videos/train and data/own_videos/val. A config may set other
# folders, or ann_file for lists. A fine-tuning base adds pipelines of ../pipelines.
train_dataloader = dict(
    batch_size=8,
    num_workers=4,
    persistent_workers=True,
    sampler=dict(type='DefaultSampler', shuffle=True),
    dataset=dict(
        type='mmhvt.VideoDataset',
        data_prefix=dict(video='data/own_videos/train')))
val_dataloader = dict(
    batch_size=8,
    num_workers=4,
    persistent_workers=True,
    sampler=dict(type='DefaultSampler', shuffle=False),
    dataset=dict(
        type='mmhvt.VideoDataset',
        data_prefix=dict(video='data/own_videos/val'),
        test_mode=True))
test_dataloader = dict(
    batch_size=1,
    num_workers=4,
    persistent_workers=True,
    sampler=dict(type='DefaultSampler', shuffle=False),
    dataset=dict(
        type='mmhvt.VideoDataset',
        data_prefix=dict(video='data/own_videos/val'),
        test_mode=True))

val_evaluator = dict(type='mmhvt.AccMetric')
test_evaluator = val_evaluator

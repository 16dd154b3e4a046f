# Something-Something V2. A recipe adds pipelines of ../pipelines and sets the batch size.
train_files = dict(
    ann_file='data/sthv2/sthv2_train_list_videos.txt',
    data_prefix=dict(video='data/sthv2/videos'),
    metainfo=dict(classes='sthv2'))
val_files = dict(
    ann_file='data/sthv2/sthv2_val_list_videos.txt',
    data_prefix=dict(video='data/sthv2/videos'),
    metainfo=dict(classes='sthv2'))

train_dataloader = dict(
    num_workers=8,
    persistent_workers=True,
    sampler=dict(type='DefaultSampler', shuffle=True),
    dataset=dict(type='mmhvt.VideoDataset', **train_files))
val_dataloader = dict(
    batch_size=8,
    num_workers=8,
    persistent_workers=True,
    sampler=dict(type='DefaultSampler', shuffle=False),
    dataset=dict(type='mmhvt.VideoDataset', test_mode=True, **val_files))
test_dataloader = dict(
    batch_size=1,
    num_workers=8,
    persistent_workers=True,
    sampler=dict(type='DefaultSampler', shuffle=False),
    dataset=dict(type='mmhvt.VideoDataset', test_mode=True, **val_files))

val_evaluator = dict(type='mmhvt.AccMetric')
test_evaluator = val_evaluator

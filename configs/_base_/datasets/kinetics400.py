# Kinetics-400. The lists are those of mmaction2's preparation. A recipe adds pipelines of ../pipelines and sets the
# batch size.
train_files = dict(
    ann_file='data/kinetics400/kinetics400_train_list_videos.txt',
    data_prefix=dict(video='data/kinetics400/videos_train'),
    metainfo=dict(classes='kinetics400'))
val_files = dict(
    ann_file='data/kinetics400/kinetics400_val_list_videos.txt',
    data_prefix=dict(video='data/kinetics400/videos_val'),
    metainfo=dict(classes='kinetics400'))

train_dataloader = dict(
    num_workers=8,
    persistent_workers=True,
    sampler=dict(type='DefaultSampler', shuffle=True),
    collate_fn=dict(type='repeat_pseudo_collate'),
    dataset=dict(
        type='mmhvt.RepeatAugDataset',
        # Repeated sampling: a video is read once per epoch and yields that many clips. A batch of n videos is one of n
        # * num_repeats clips, and an epoch of the loader is num_repeats effective epochs.
        num_repeats=1,
        **train_files))
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

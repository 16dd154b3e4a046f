# HACS for UniFormerV2: all as for ActivityNet (uniformerv2, table 11).
_base_ = 'kinetics400.py'

train_files = dict(
    ann_file='data/HACS/hacs_train_list_segments.txt',
    data_prefix=dict(video='data/HACS/videos'),
    metainfo=dict(classes='activitynet'))
val_files = dict(
    ann_file='data/HACS/hacs_val_list_videos.txt',
    data_prefix=dict(video='data/HACS/videos'),
    metainfo=dict(classes='activitynet'))

# repeated sampling 2: a segment is read once per epoch and yields 2 clips of the same frames
train_dataloader = dict(dataset=dict(type='mmhvt.SegmentVideoDataset', num_repeats=2, sample_once=True, **train_files))
val_dataloader = dict(dataset=val_files)
test_dataloader = dict(dataset=val_files)

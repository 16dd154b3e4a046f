# ActivityNet for UniFormerV2 (uniformerv2, table 11). Training clips are sampled from the segments that contain an
# action, without a class for the background; tests sample sparsely from the whole untrimmed video (appendix A). The
# lists are those of tools/data/untrimmed.py; an epoch has each segment once (UniFormerV2 slowfast/datasets/anet.py).
_base_ = 'kinetics400.py'

train_files = dict(
    ann_file='data/ActivityNet/activitynet_train_list_segments.txt',
    data_prefix=dict(video='data/ActivityNet/videos'),
    metainfo=dict(classes='activitynet'))
val_files = dict(
    ann_file='data/ActivityNet/activitynet_val_list_videos.txt',
    data_prefix=dict(video='data/ActivityNet/videos'),
    metainfo=dict(classes='activitynet'))

# repeated sampling 2: a segment is read once per epoch and yields 2 clips of the same frames
train_dataloader = dict(dataset=dict(type='mmhvt.SegmentVideoDataset', num_repeats=2, sample_once=True, **train_files))
val_dataloader = dict(dataset=val_files)
test_dataloader = dict(dataset=val_files)

# ActivityNet, clips of 16 frames, for UniFormerV2 (uniformerv2, table 11). Training clips are sampled from
# the segments that contain an action, without a class for the background; tests sample sparsely from the
# whole untrimmed video (appendix A). The lists are those of tools/data/untrimmed.py; an epoch has each
# segment once: paper silent. Augmentation is that of Kinetics-400.
_base_ = 'kinetics400_uniformerv2.py'

data_root = 'data/ActivityNet/videos'
ann_file_train = 'data/ActivityNet/activitynet_train_list_segments.txt'
ann_file_val = 'data/ActivityNet/activitynet_val_list_videos.txt'
num_classes = 200

clip = dict(clip_len=16)
train_pipeline = _base_.train_pipeline
val_pipeline = _base_.val_pipeline
test_pipeline = _base_.test_pipeline
train_pipeline[1].update(clip)
val_pipeline[1].update(clip)
# 3 crops of each of 10 clips (table 19)
test_pipeline[1].update(num_clips=10, **clip)

# repeated sampling 2: a segment is read once an epoch and gives 2 clips
train_dataloader = dict(
    batch_size=2,
    dataset=dict(
        type='mmhvt.SegmentVideoDataset',
        num_repeats=2,
        ann_file=ann_file_train,
        data_prefix=dict(video=data_root),
        num_classes=num_classes,
        pipeline=train_pipeline))
val_dataloader = dict(
    dataset=dict(
        ann_file=ann_file_val,
        data_prefix=dict(video=data_root),
        num_classes=num_classes,
        pipeline=val_pipeline))
test_dataloader = dict(
    dataset=dict(
        ann_file=ann_file_val,
        data_prefix=dict(video=data_root),
        num_classes=num_classes,
        pipeline=test_pipeline))

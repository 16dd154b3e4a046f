# Something-Something V2 with repeated sampling 2: a video is read once per epoch and yields 2 clips of the same frames,
# as in UniFormerV2 slowfast/datasets/sth.py.
_base_ = 'kinetics400.py'

train_files = dict(
    ann_file='data/sthv2/sthv2_train_list_videos.txt',
    data_prefix=dict(video='data/sthv2/videos'),
    metainfo=dict(classes='sthv2'))
val_files = dict(
    ann_file='data/sthv2/sthv2_val_list_videos.txt',
    data_prefix=dict(video='data/sthv2/videos'),
    metainfo=dict(classes='sthv2'))

train_dataloader = dict(dataset=dict(num_repeats=2, sample_once=True, **train_files))
val_dataloader = dict(dataset=val_files)
test_dataloader = dict(dataset=val_files)

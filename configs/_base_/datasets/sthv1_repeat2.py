# Something-Something V1 with repeated sampling 2: a video is read once an epoch and gives 2 clips.
_base_ = 'kinetics400.py'

train_files = dict(
    ann_file='data/sthv1/sthv1_train_list_videos.txt',
    data_prefix=dict(video='data/sthv1/videos'),
    metainfo=dict(classes='sthv1'))
val_files = dict(
    ann_file='data/sthv1/sthv1_val_list_videos.txt',
    data_prefix=dict(video='data/sthv1/videos'),
    metainfo=dict(classes='sthv1'))

train_dataloader = dict(dataset=dict(num_repeats=2, **train_files))
val_dataloader = dict(dataset=val_files)
test_dataloader = dict(dataset=val_files)

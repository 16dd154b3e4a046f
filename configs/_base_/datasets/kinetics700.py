# Kinetics-700, read as Kinetics-400.
_base_ = 'kinetics400.py'

train_files = dict(
    ann_file='data/kinetics700/kinetics700_train_list_videos.txt',
    data_prefix=dict(video='data/kinetics700/videos_train'),
    metainfo=dict(classes='kinetics700'))
val_files = dict(
    ann_file='data/kinetics700/kinetics700_val_list_videos.txt',
    data_prefix=dict(video='data/kinetics700/videos_val'),
    metainfo=dict(classes='kinetics700'))

train_dataloader = dict(dataset=train_files)
val_dataloader = dict(dataset=val_files)
test_dataloader = dict(dataset=val_files)

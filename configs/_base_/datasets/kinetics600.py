# Kinetics-600, read as Kinetics-400.
_base_ = 'kinetics400.py'

train_files = dict(
    ann_file='data/kinetics600/kinetics600_train_list_videos.txt',
    data_prefix=dict(video='data/kinetics600/videos_train'),
    metainfo=dict(classes='kinetics600'))
val_files = dict(
    ann_file='data/kinetics600/kinetics600_val_list_videos.txt',
    data_prefix=dict(video='data/kinetics600/videos_val'),
    metainfo=dict(classes='kinetics600'))

train_dataloader = dict(dataset=train_files)
val_dataloader = dict(dataset=val_files)
test_dataloader = dict(dataset=val_files)

# Moments in Time, read as Kinetics-400.
_base_ = 'kinetics400.py'

train_files = dict(
    ann_file='data/mit/mit_train_list_videos.txt',
    data_prefix=dict(video='data/mit/videos/training'),
    metainfo=dict(classes='mit'))
val_files = dict(
    ann_file='data/mit/mit_val_list_videos.txt',
    data_prefix=dict(video='data/mit/videos/validation'),
    metainfo=dict(classes='mit'))

train_dataloader = dict(dataset=train_files)
val_dataloader = dict(dataset=val_files)
test_dataloader = dict(dataset=val_files)

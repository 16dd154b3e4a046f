# Kinetics-710, read as Kinetics-400. The lists are those that tools/data/kinetics710.py merges; they name videos of the
# folders of Kinetics-400, -600 and -700.
_base_ = 'kinetics400.py'

train_files = dict(
    ann_file='data/kinetics710/kinetics710_train_list_videos.txt',
    data_prefix=dict(video='data'),
    metainfo=dict(classes='kinetics710'))
val_files = dict(
    ann_file='data/kinetics710/kinetics710_val_list_videos.txt',
    data_prefix=dict(video='data'),
    metainfo=dict(classes='kinetics710'))

train_dataloader = dict(dataset=train_files)
val_dataloader = dict(dataset=val_files)
test_dataloader = dict(dataset=val_files)

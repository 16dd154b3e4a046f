# Kinetics-710 for UniFormerV2: all as for Kinetics-400 (uniformerv2, table 11). The lists are those
# that tools/data/kinetics710.py merges; they name videos of the folders of Kinetics-400, -600 and -700.
_base_ = 'kinetics400_uniformerv2.py'

data_root = 'data'
data_root_val = 'data'
ann_file_train = 'data/kinetics710/kinetics710_train_list_videos.txt'
ann_file_val = 'data/kinetics710/kinetics710_val_list_videos.txt'
num_classes = 710

train_dataloader = dict(
    dataset=dict(
        ann_file=ann_file_train,
        data_prefix=dict(video=data_root),
        num_classes=num_classes))
val_dataloader = dict(
    dataset=dict(
        ann_file=ann_file_val,
        data_prefix=dict(video=data_root_val),
        num_classes=num_classes))
test_dataloader = dict(
    dataset=dict(
        ann_file=ann_file_val,
        data_prefix=dict(video=data_root_val),
        num_classes=num_classes))

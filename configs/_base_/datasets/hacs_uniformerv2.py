# HACS for UniFormerV2: all as for ActivityNet (uniformerv2, table 11).
_base_ = 'activitynet_uniformerv2.py'

data_root = 'data/HACS/videos'
data_root_val = 'data/HACS/videos'
ann_file_train = 'data/HACS/hacs_train_list_segments.txt'
ann_file_val = 'data/HACS/hacs_val_list_videos.txt'
num_classes = 200

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

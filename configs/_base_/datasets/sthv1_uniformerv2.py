# Something-Something V1 for UniFormerV2: all as for V2 (uniformerv2, table 11).
_base_ = 'sthv2_uniformerv2.py'

data_root = 'data/sthv1/videos'
data_root_val = 'data/sthv1/videos'
ann_file_train = 'data/sthv1/sthv1_train_list_videos.txt'
ann_file_val = 'data/sthv1/sthv1_val_list_videos.txt'
num_classes = 174

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

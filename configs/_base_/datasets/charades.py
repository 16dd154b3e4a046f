# Charades, read as Something-Something V2. Lines of the lists are a video and all its labels: "46GP8.mp4 92 147".
# A clip has the labels of its video, and no video is repeated in an epoch: paper silent.
_base_ = 'sthv2.py'

train_files = dict(
    ann_file='data/charades/charades_train_list_videos.txt',
    data_prefix=dict(video='data/charades/videos'),
    multi_class=True,
    metainfo=dict(classes='charades'))
val_files = dict(
    ann_file='data/charades/charades_val_list_videos.txt',
    data_prefix=dict(video='data/charades/videos'),
    multi_class=True,
    metainfo=dict(classes='charades'))

train_dataloader = dict(dataset=train_files)
val_dataloader = dict(dataset=val_files)
test_dataloader = dict(dataset=val_files)

val_evaluator = dict(metric_list='mean_average_precision')
test_evaluator = val_evaluator

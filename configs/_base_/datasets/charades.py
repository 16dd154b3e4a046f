# Charades, read as Something-Something V2, from its own annotation files. A training clip has the actions that it
# shows, a test clip all actions of its video: SlowFast slowfast/datasets/charades.py.
_base_ = 'sthv2.py'

train_files = dict(
    ann_file='data/charades/Charades_v1_train.csv',
    data_prefix=dict(video='data/charades/videos'),
    multi_class=True,
    metainfo=dict(classes='charades'))
val_files = dict(
    ann_file='data/charades/Charades_v1_test.csv',
    data_prefix=dict(video='data/charades/videos'),
    multi_class=True,
    metainfo=dict(classes='charades'))

train_dataloader = dict(dataset=dict(type='mmhvt.CharadesDataset', **train_files))
val_dataloader = dict(dataset=dict(type='mmhvt.CharadesDataset', **val_files))
test_dataloader = dict(dataset=dict(type='mmhvt.CharadesDataset', **val_files))

val_evaluator = dict(metric_list='mean_average_precision')
test_evaluator = val_evaluator

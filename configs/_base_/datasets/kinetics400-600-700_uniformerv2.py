# Kinetics-400, -600 and -700 at once, each with labels of its own, for UniFormerV2 (uniformerv2, table 9e):
# "we remove the leaked videos in the validation set and introduce three classification heads" (section
# 4.2). The lists are those of tools/data/kinetics710.py.
_base_ = 'kinetics400_uniformerv2.py'

classes = dict(k400=400, k600=600, k700=700)
data_root = 'data'
train_pipeline = _base_.train_pipeline
val_pipeline = _base_.val_pipeline
test_pipeline = _base_.test_pipeline

train_dataloader = dict(
    dataset=dict(
        _delete_=True,
        type='ConcatDataset',
        datasets=[
            dict(
                type='mmhvt.RepeatAugDataset',
                num_repeats=1,
                ann_file=f'data/kinetics710/kinetics{number}_train_list_videos.txt',
                data_prefix=dict(video=data_root),
                num_classes=number,
                pipeline=[*train_pipeline, dict(type='mmhvt.NameDataset', name=name)])
            for name, number in classes.items()
        ]))
val_dataloader = dict(
    dataset=dict(
        _delete_=True,
        type='ConcatDataset',
        datasets=[
            dict(
                type='mmhvt.VideoDataset',
                ann_file=f'data/kinetics710/kinetics{number}_val_list_videos.txt',
                data_prefix=dict(video=data_root),
                num_classes=number,
                pipeline=[*val_pipeline, dict(type='mmhvt.NameDataset', name=name)],
                test_mode=True)
            for name, number in classes.items()
        ]))
test_dataloader = dict(
    dataset=dict(
        _delete_=True,
        type='ConcatDataset',
        datasets=[
            dict(
                type='mmhvt.VideoDataset',
                ann_file=f'data/kinetics710/kinetics{number}_val_list_videos.txt',
                data_prefix=dict(video=data_root),
                num_classes=number,
                pipeline=[*test_pipeline, dict(type='mmhvt.NameDataset', name=name)],
                test_mode=True)
            for name, number in classes.items()
        ]))

val_evaluator = [dict(type='mmhvt.DatasetAccMetric', dataset=name) for name in classes]
test_evaluator = val_evaluator

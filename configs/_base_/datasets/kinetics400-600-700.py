# Kinetics-400, -600 and -700 at once, each with its own labels, for UniFormerV2 (uniformerv2, table 9e): "we remove the
# leaked videos in the validation set and introduce three classification heads" (section 4.2). The lists are those of
# tools/data/kinetics710.py.
_base_ = ['kinetics400.py', '../pipelines/uniformerv2.py']

numbers = dict(k400=400, k600=600, k700=700)
data_root = 'data'

train_dataloader = dict(
    dataset=dict(
        _delete_=True,
        type='ConcatDataset',
        # each has its own
        ignore_keys=['classes'],
        datasets=[
            dict(
                type='mmhvt.RepeatAugDataset',
                num_repeats=1,
                ann_file=f'data/kinetics710/kinetics{number}_train_list_videos.txt',
                data_prefix=dict(video=data_root),
                metainfo=dict(classes=f'kinetics{number}'),
                pipeline=[*_base_.train_pipeline, dict(type='mmhvt.NameDataset', name=name)])
            for name, number in numbers.items()
        ]))
val_dataloader = dict(
    dataset=dict(
        _delete_=True,
        type='ConcatDataset',
        # each has its own
        ignore_keys=['classes'],
        datasets=[
            dict(
                type='mmhvt.VideoDataset',
                ann_file=f'data/kinetics710/kinetics{number}_val_list_videos.txt',
                data_prefix=dict(video=data_root),
                metainfo=dict(classes=f'kinetics{number}'),
                pipeline=[*_base_.val_pipeline, dict(type='mmhvt.NameDataset', name=name)],
                test_mode=True)
            for name, number in numbers.items()
        ]))
test_dataloader = dict(
    dataset=dict(
        _delete_=True,
        type='ConcatDataset',
        # each has its own
        ignore_keys=['classes'],
        datasets=[
            dict(
                type='mmhvt.VideoDataset',
                ann_file=f'data/kinetics710/kinetics{number}_val_list_videos.txt',
                data_prefix=dict(video=data_root),
                metainfo=dict(classes=f'kinetics{number}'),
                pipeline=[*_base_.test_pipeline, dict(type='mmhvt.NameDataset', name=name)],
                test_mode=True)
            for name, number in numbers.items()
        ]))

val_evaluator = [dict(type='mmhvt.DatasetAccMetric', dataset=name) for name in numbers]
test_evaluator = val_evaluator

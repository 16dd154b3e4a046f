# Tests the model of smvit-micro_1xb16-8x2x1-5e_moving-shapes-rgb.py on frames in random order.
_base_ = 'smvit-micro_1xb16-8x2x1-5e_moving-shapes-rgb.py'

test_pipeline = [
    dict(type='mmhvt.DecordInit'),
    dict(test_mode=True, **_base_.clip),
    dict(type='DecordDecode'),
    dict(type='mmhvt.ShuffleFrames'),
    dict(type='Resize', scale=(32, 32), keep_ratio=False),
    dict(type='FormatShape', input_format='NCTHW'),
    _base_.pack
]
# Accuracy depends on the order drawn: the mean over 4 draws for each clip.
test_dataloader = dict(
    dataset=dict(
        _delete_=True,
        type='RepeatDataset',
        times=4,
        dataset=dict(
            type='mmhvt.VideoDataset',
            data_root=_base_.data_root,
            ann_file='moving_shapes_val_list_videos.txt',
            data_prefix=dict(video='videos_val'),
            metainfo=_base_.metainfo,
            pipeline=test_pipeline,
            test_mode=True)))

# Tests the model of smvit-micro_1xb16-8x2x1-5e_moving-shapes-rgb.py on frames in random order.
_base_ = ['smvit-micro_1xb16-8x2x1-5e_moving-shapes-rgb.py']

test_pipeline = [
    dict(type='mmhvt.DecordInit'),
    dict(type='SampleFrames', clip_len=8, frame_interval=2, test_mode=True),
    dict(type='DecordDecode'),
    dict(type='mmhvt.ShuffleFrames'),
    dict(type='Resize', scale=(32, 32), keep_ratio=False),
    dict(type='FormatShape', input_format='NCTHW'),
    dict(type='PackActionInputs', meta_keys=('img_shape', 'filename'))
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
            num_classes=_base_.num_classes,
            pipeline=test_pipeline,
            test_mode=True)))

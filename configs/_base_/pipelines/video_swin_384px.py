# Clips of 32 frames with stride 2 and 384², for Video Swin-L on Kinetics (video_swin, section 4.1). 438 is to 384 as
# 256 is to 224: paper and authors' code silent.
_base_ = 'video_swin.py'

train_pipeline = [
    dict(type='mmhvt.DecordInit'),
    dict(num_clips=1, **_base_.clip),
    dict(type='DecordDecode'),
    dict(type='Resize', scale=(-1, 438)),
    _base_.random_crop,
    dict(type='Resize', scale=(384, 384), keep_ratio=False),
    dict(type='Flip', flip_ratio=0.5),
    dict(type='FormatShape', input_format='NCTHW'),
    dict(type='PackActionInputs')
]
# one center crop of the middle clip, to follow the training
val_pipeline = [
    dict(type='mmhvt.DecordInit'),
    dict(num_clips=1, test_mode=True, **_base_.clip),
    dict(type='DecordDecode'),
    dict(type='Resize', scale=(-1, 438)),
    dict(type='CenterCrop', crop_size=384),
    dict(type='FormatShape', input_format='NCTHW'),
    dict(type='PackActionInputs')
]
# 4 temporal × 3 spatial views, crops as high as the frame
test_pipeline = [
    dict(type='mmhvt.DecordInit'),
    dict(num_clips=4, test_mode=True, **_base_.clip),
    dict(type='DecordDecode'),
    dict(type='Resize', scale=(-1, 384)),
    dict(type='ThreeCrop', crop_size=384),
    dict(type='FormatShape', input_format='NCTHW'),
    dict(type='PackActionInputs')
]

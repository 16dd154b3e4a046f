# One frame from each of 16 segments (SlowFast slowfast/datasets/ssv2.py), for SMViT's table 12(b) and (c) on
# Something-Something V2, augmented as for Kinetics, but with no flip (SlowFast configs/SSv2/MVITv2_L_40x3.yaml).
_base_ = 'smvit.py'

# any frame of a segment in training, the middle one in testing
segments = dict(type='UniformSample', clip_len=16)

# what follows the decoding
augment = [
    # bounds the work of what follows
    dict(type='Resize', scale=(-1, 256)),
    _base_.rand_augment,
    _base_.random_crop,
    dict(type='Resize', scale=(224, 224), keep_ratio=False),
    _base_.random_erasing,
    dict(type='FormatShape', input_format='NCTHW'),
    dict(type='PackActionInputs')
]

train_pipeline = [
    dict(type='mmhvt.DecordInit'),
    segments,
    dict(type='DecordDecode'), *augment
]
# one center crop, to follow the training
val_pipeline = [
    dict(type='mmhvt.DecordInit'),
    dict(test_mode=True, **segments),
    dict(type='DecordDecode'), *_base_.center_crop
]
# 3 × 1 views: table 6
test_pipeline = [
    dict(type='mmhvt.DecordInit'),
    dict(test_mode=True, **segments),
    dict(type='DecordDecode'), *_base_.three_crops
]

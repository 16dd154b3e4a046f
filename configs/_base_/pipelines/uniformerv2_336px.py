# Clips of 8 frames of 336² pixels, for UniFormerV2 (uniformerv2, tables 1 and 11).
_base_ = 'uniformerv2.py'

# ours, to bound the work: 384 is to 336 as 256 is to 224
augment = [
    dict(type='Resize', scale=(-1, 384)),
    _base_.rand_augment,
    _base_.random_crop,
    dict(type='Resize', scale=(336, 336), keep_ratio=False),
    _base_.color_jitter,
    _base_.flip,
    dict(type='FormatShape', input_format='NCTHW'),
    dict(type='PackActionInputs')
]
center_crop = [
    dict(type='Resize', scale=(-1, 336)),
    dict(type='CenterCrop', crop_size=336),
    dict(type='FormatShape', input_format='NCTHW'),
    dict(type='PackActionInputs')
]
three_crops = [
    dict(type='Resize', scale=(-1, 336)),
    dict(type='ThreeCrop', crop_size=336),
    dict(type='FormatShape', input_format='NCTHW'),
    dict(type='PackActionInputs')
]

train_pipeline = [
    dict(type='mmhvt.DecordInit'),
    _base_.clip,
    dict(type='DecordDecode'), *augment
]
# one center crop, to follow the training
val_pipeline = [
    dict(type='mmhvt.DecordInit'),
    dict(test_mode=True, **_base_.clip),
    dict(type='DecordDecode'), *center_crop
]
# 3 crops of each of 4 clips (tables 16 and 17)
test_pipeline = [
    dict(type='mmhvt.DecordInit'),
    dict(num_clips=4, test_mode=True, **_base_.clip),
    dict(type='DecordDecode'), *three_crops
]

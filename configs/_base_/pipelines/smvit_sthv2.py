# One frame from each of 16 segments (paper silent), for SMViT's table 12(b) and (c) on Something-Something V2.
# RandAug (7, 0.5) is read as for Kinetics; random crop, and no flip: as for MViT.
_base_ = 'mvit.py'

# segments: any frame in training, the middle one in testing
clip = dict(type='UniformSample', clip_len=16)

# what follows the decoding. No random erasing: table 12 lists none
augment = [
    # bounds the work of what follows
    dict(type='Resize', scale=(-1, 256)),
    _base_.rand_augment,
    _base_.random_crop,
    dict(type='Resize', scale=(224, 224), keep_ratio=False),
    dict(type='FormatShape', input_format='NCTHW'),
    dict(type='PackActionInputs')
]
# frames as high as the crops, as for Kinetics: paper silent
center_crop = [
    dict(type='Resize', scale=(-1, 224)),
    dict(type='CenterCrop', crop_size=224),
    dict(type='FormatShape', input_format='NCTHW'),
    dict(type='PackActionInputs')
]
three_crops = [
    dict(type='Resize', scale=(-1, 224)),
    dict(type='ThreeCrop', crop_size=224),
    dict(type='FormatShape', input_format='NCTHW'),
    dict(type='PackActionInputs')
]

train_pipeline = [
    dict(type='mmhvt.DecordInit'),
    clip,
    dict(type='DecordDecode'), *augment
]
# one center crop, to follow the training
val_pipeline = [
    dict(type='mmhvt.DecordInit'),
    dict(test_mode=True, **clip),
    dict(type='DecordDecode'), *center_crop
]
# 3 × 1 views: table 6
test_pipeline = [
    dict(type='mmhvt.DecordInit'),
    dict(test_mode=True, **clip),
    dict(type='DecordDecode'), *three_crops
]

# One frame from each of 16 segments, for MViT (mvit, D.4) and MViTv2 (mvitv2, B.5) on Something-Something V2: the
# augmentation of Kinetics without flip, since classes differ in direction. The size of frames: that of Kinetics (B.4).
_base_ = 'mvit.py'

# segments: any frame in training, the middle one in testing
clip = dict(type='UniformSample', clip_len=16)

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
    clip,
    dict(type='DecordDecode'), *augment
]
# one center crop, to follow the training
val_pipeline = [
    dict(type='mmhvt.DecordInit'),
    dict(test_mode=True, **clip),
    dict(type='DecordDecode'), *_base_.center_crop
]
# 3 spatial × 1 temporal views
test_pipeline = [
    dict(type='mmhvt.DecordInit'),
    dict(test_mode=True, **clip),
    dict(type='DecordDecode'), *_base_.three_crops
]

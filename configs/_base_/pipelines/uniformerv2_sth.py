# Clips of 16 frames, for UniFormerV2 on Something-Something (uniformerv2, table 11): as for Kinetics but for flips,
# since classes differ in direction, and views.
_base_ = 'uniformerv2.py'

clip = dict(type='UniformSample', clip_len=16)

# what follows the decoding
augment = [
    # ours, to bound the work of what follows
    dict(type='Resize', scale=(-1, 256)),
    _base_.rand_augment,
    _base_.random_crop,
    dict(type='Resize', scale=(224, 224), keep_ratio=False),
    _base_.color_jitter,
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
# 3 crops of one clip (table 4)
test_pipeline = [
    dict(type='mmhvt.DecordInit'),
    dict(test_mode=True, **clip),
    dict(type='DecordDecode'), *_base_.three_crops
]

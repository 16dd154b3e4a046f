# Clips of 32 frames, augmented as in uniformerv2.py.
_base_ = 'uniformerv2.py'

clip = dict(type='UniformSample', clip_len=32)

train_pipeline = [
    dict(type='mmhvt.DecordInit'),
    clip,
    dict(type='DecordDecode'), *_base_.augment
]
# one center crop, to follow the training
val_pipeline = [
    dict(type='mmhvt.DecordInit'),
    dict(test_mode=True, **clip),
    dict(type='DecordDecode'), *_base_.center_crop
]
# 3 crops of each of 2 clips (table 16)
test_pipeline = [
    dict(type='mmhvt.DecordInit'),
    dict(num_clips=2, test_mode=True, **clip),
    dict(type='DecordDecode'), *_base_.three_crops
]

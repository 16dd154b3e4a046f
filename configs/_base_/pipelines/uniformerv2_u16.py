# Clips of 16 frames, augmented as in uniformerv2.py.
_base_ = 'uniformerv2.py'

clip = dict(type='UniformSample', clip_len=16)

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
# 3 crops of each of 4 clips (tables 16 and 17)
test_pipeline = [
    dict(type='mmhvt.DecordInit'),
    dict(num_clips=4, test_mode=True, **clip),
    dict(type='DecordDecode'), *_base_.three_crops
]

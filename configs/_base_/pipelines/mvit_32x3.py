# Clips of 32 frames with stride 3, augmented as in mvit.py.
_base_ = 'mvit.py'

clip = dict(_base_.clip, clip_len=32, frame_interval=3)

train_pipeline = [
    dict(type='mmhvt.DecordInit'),
    dict(num_clips=1, **clip),
    dict(type='DecordDecode'), *_base_.augment
]
# one center crop of the middle clip, to follow the training
val_pipeline = [
    dict(type='mmhvt.DecordInit'),
    dict(num_clips=1, test_mode=True, **clip),
    dict(type='DecordDecode'), *_base_.center_crop
]
# 1 spatial × 5 temporal views
test_pipeline = [
    dict(type='mmhvt.DecordInit'),
    dict(num_clips=5, test_mode=True, **clip),
    dict(type='DecordDecode'), *_base_.center_crop
]

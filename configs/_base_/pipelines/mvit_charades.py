# Clips of 16 frames with stride 4 for MViT on Charades (mvit, D.3), augmented as for Kinetics. Strides count frames
# at 24 a second, as in the published frames that SlowFast slowfast/datasets/charades.py reads.
_base_ = 'mvit.py'

clip = dict(_base_.clip, target_fps=24)

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
# 3 spatial × 10 temporal views (table 7)
test_pipeline = [
    dict(type='mmhvt.DecordInit'),
    dict(num_clips=10, test_mode=True, **clip),
    dict(type='DecordDecode'), *_base_.three_crops
]

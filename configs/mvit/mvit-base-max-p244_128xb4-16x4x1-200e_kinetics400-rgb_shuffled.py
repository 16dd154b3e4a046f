# Tests the model of mvit-base-max-p244_128xb4-16x4x1-200e_kinetics400-rgb.py on frames in
# random order: 70.1 top-1 in the paper, 7.1 less than in order (table 9).
_base_ = 'mvit-base-max-p244_128xb4-16x4x1-200e_kinetics400-rgb.py'

test_pipeline = [
    dict(type='mmhvt.DecordInit'),
    dict(num_clips=5, test_mode=True, **_base_.clip),
    dict(type='DecordDecode'),
    # each of the 5 clips of a video gets an order of its own
    dict(type='mmhvt.ShuffleFrames'), *_base_.center_crop
]
test_dataloader = dict(dataset=dict(pipeline=test_pipeline))

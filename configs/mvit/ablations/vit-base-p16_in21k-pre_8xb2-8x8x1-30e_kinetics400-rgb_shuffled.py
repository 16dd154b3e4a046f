# Tests ViT-B of ImageNet-21K on frames in random order: 79.3 top-1 in the paper, as in order (section 4.2).
_base_ = '../vit-base-p16_in21k-pre_8xb2-8x8x1-30e_kinetics400-rgb.py'

test_pipeline = [
    dict(type='mmhvt.DecordInit'),
    dict(num_clips=5, test_mode=True, **_base_.clip),
    dict(type='DecordDecode'),
    # each of the 5 clips of a video gets an order of its own
    dict(type='mmhvt.ShuffleFrames'), *_base_.center_crop
]
test_dataloader = dict(dataset=dict(pipeline=test_pipeline))

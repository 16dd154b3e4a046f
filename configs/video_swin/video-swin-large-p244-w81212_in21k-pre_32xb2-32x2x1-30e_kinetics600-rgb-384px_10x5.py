# Testing of Video Swin-L on Kinetics-600 at 384² with 10 × 5 views: 86.1 top-1 in the paper (table 2).
_base_ = 'video-swin-large-p244-w81212_in21k-pre_32xb2-32x2x1-30e_kinetics600-rgb-384px.py'

# 10 temporal × 5 spatial views. Which 5 crops: paper silent
test_pipeline = [
    dict(type='mmhvt.DecordInit'),
    dict(num_clips=10, test_mode=True, **_base_.clip),
    dict(type='DecordDecode'),
    dict(type='Resize', scale=(-1, 384)),
    dict(type='mmhvt.FiveCrop', crop_size=384),
    dict(type='FormatShape', input_format='NCTHW'),
    dict(type='PackActionInputs')
]
test_dataloader = dict(dataset=dict(pipeline=test_pipeline))

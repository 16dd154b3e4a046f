# Testing of Video Swin-L on Kinetics-600 at 384² with 10 × 5 views: 86.1 top-1 in the paper (table 2).
_base_ = 'video-swin-large-p244-w81212_in21k-pre_32xb2-32x2x1-30e_kinetics600-rgb-384px.py'

# 10 temporal × 5 spatial views. Which 5 crops: paper silent
test_pipeline = _base_.test_pipeline
test_pipeline[1].update(num_clips=10)
test_pipeline[4].update(type='mmhvt.FiveCrop')
test_dataloader = dict(dataset=dict(pipeline=test_pipeline))

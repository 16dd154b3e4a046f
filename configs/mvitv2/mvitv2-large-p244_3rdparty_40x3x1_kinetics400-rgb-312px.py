# MViTv2-L 40×3 on Kinetics-400 at 312² as PySlowFast publishes it.
_base_ = 'mvitv2-large-p244_k400-16x4-pre_64xb2-40x3x1-30e_kinetics400-rgb-312px.py'

model = dict(
    data_preprocessor=dict(
        # ImageNet's: configs/Kinetics/MVITv2_L_40x3_test.yaml of PySlowFast
        mean=[123.675, 116.28, 103.53],
        std=[58.395, 57.12, 57.375]),
    # the class token's query is not added to it: slowfast/models/attention.py
    backbone=dict(residual_pooling=True))

# 5 clips, 3 crops as high as the frame: slowfast/datasets/kinetics.py
test_pipeline = [
    dict(type='mmhvt.DecordInit'),
    dict(num_clips=5, test_mode=True, **_base_.clip),
    dict(type='DecordDecode'),
    dict(type='Resize', scale=(-1, 312)),
    dict(type='ThreeCrop', crop_size=312),
    dict(type='FormatShape', input_format='NCTHW'),
    dict(type='PackActionInputs')
]
test_dataloader = dict(dataset=dict(pipeline=test_pipeline))

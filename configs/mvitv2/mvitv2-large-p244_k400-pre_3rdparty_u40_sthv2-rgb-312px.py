# MViTv2-L with 40 frames of 312² on Something-Something V2 as PySlowFast publishes it.
_base_ = 'mvitv2-large-p244_k400-pre_64xb8-u40-40e_sthv2-rgb-312px.py'

model = dict(
    data_preprocessor=dict(
        # ImageNet's: configs/SSv2/MVITv2_L_40x3.yaml of PySlowFast
        mean=[123.675, 116.28, 103.53],
        std=[58.395, 57.12, 57.375]),
    backbone=dict(
        # the class token's query is not added to it: slowfast/models/attention.py
        residual_pooling=True,
        init_cfg=dict(
            checkpoint=('https://dl.fbaipublicfiles.com/pyslowfast/model_zoo/mvitv2/pysf_video_models/'
                        'MViTv2_L_40x3_k400_f306903192.pyth'))))

# 3 crops as high as the frame: slowfast/datasets/ssv2.py
test_pipeline = [
    dict(type='mmhvt.DecordInit'),
    dict(type='UniformSample', clip_len=40, test_mode=True),
    dict(type='DecordDecode'),
    dict(type='Resize', scale=(-1, 312)),
    dict(type='ThreeCrop', crop_size=312),
    dict(type='FormatShape', input_format='NCTHW'),
    dict(type='PackActionInputs')
]
test_dataloader = dict(dataset=dict(pipeline=test_pipeline))

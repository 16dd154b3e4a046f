# MViTv2-B with 32 frames on Something-Something V2 as PySlowFast publishes it: with a class token.
_base_ = 'mvitv2-base-p244_k400-pre_64xb8-u32-100e_sthv2-rgb.py'

model = dict(
    backbone=dict(
        with_cls_token=True,
        init_cfg=dict(
            checkpoint=('https://dl.fbaipublicfiles.com/pyslowfast/model_zoo/mvitv2/pysf_video_models/'
                        'MViTv2_B_32x3_k400_f304025456.pyth'))))

# 3 crops as high as the frame: slowfast/datasets/ssv2.py
test_pipeline = [
    dict(type='mmhvt.DecordInit'),
    dict(type='UniformSample', clip_len=32, test_mode=True),
    dict(type='DecordDecode'),
    dict(type='Resize', scale=(-1, 224)),
    dict(type='ThreeCrop', crop_size=224),
    dict(type='FormatShape', input_format='NCTHW'),
    dict(type='PackActionInputs')
]
test_dataloader = dict(dataset=dict(pipeline=test_pipeline))

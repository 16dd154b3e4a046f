# MViTv2-S with 16 frames on Something-Something V2 as mmaction2 trained it: with a class token.
_base_ = 'mvitv2-small-p244_k400-pre_64xb8-u16-100e_sthv2-rgb.py'

model = dict(
    data_preprocessor=dict(
        # ImageNet's: configs/recognition/mvit/mvit-small-p244_k400-pre_16xb16-u16-100e_sthv2-rgb.py of mmaction2
        mean=[123.675, 116.28, 103.53],
        std=[58.395, 57.12, 57.375]),
    backbone=dict(
        with_cls_token=True,
        init_cfg=dict(
            checkpoint=('https://dl.fbaipublicfiles.com/pyslowfast/model_zoo/mvitv2/pysf_video_models/'
                        'MViTv2_S_16x4_k400_f302660347.pyth'))))

# 3 crops as high as the frame: as in its config
test_pipeline = [
    dict(type='mmhvt.DecordInit'),
    dict(type='UniformSample', clip_len=16, test_mode=True),
    dict(type='DecordDecode'),
    dict(type='Resize', scale=(-1, 224)),
    dict(type='ThreeCrop', crop_size=224),
    dict(type='FormatShape', input_format='NCTHW'),
    dict(type='PackActionInputs')
]
test_dataloader = dict(dataset=dict(pipeline=test_pipeline))

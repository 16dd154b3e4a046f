# MViTv2-S 16×4 on Kinetics-400 after MaskFeat as mmaction2 publishes it. Numbers are those of its config
# mvit-small-p244_k400-maskfeat-pre_8xb32-16x4x1-100e_kinetics400-rgb.py; the schedule is that of training from scratch.
_base_ = 'mvitv2-small-p244_128xb4-16x4x1-200e_kinetics400-rgb.py'

model = dict(
    backbone=dict(
        with_cls_token=True,
        expand_in='mlp',
        drop_path_rate=0.1),
    cls_head=dict(dropout_ratio=0.0))

# 10 clips of frames whose shorter side is 224
test_pipeline = [
    dict(type='mmhvt.DecordInit'),
    dict(num_clips=10, test_mode=True, **_base_.clip),
    dict(type='DecordDecode'),
    dict(type='Resize', scale=(-1, 224)),
    dict(type='CenterCrop', crop_size=224),
    dict(type='FormatShape', input_format='NCTHW'),
    dict(type='PackActionInputs')
]
test_dataloader = dict(dataset=dict(pipeline=test_pipeline))

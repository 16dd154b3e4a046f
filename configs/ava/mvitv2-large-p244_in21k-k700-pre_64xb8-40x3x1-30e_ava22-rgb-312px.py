# MViTv2-L 40×3 at 312² on AVA v2.2 from ImageNet-21K and Kinetics-700: 33.5 mAP in the paper (mvitv2, table A.2).
_base_ = [
    '../_base_/models/action_detector.py',
    '../_base_/datasets/ava22.py',
    '../_base_/schedules/sgd_30e_ava.py',
    '../_base_/default_runtime_ava.py'
]

pretrained = 'work_dirs/mvitv2-large-p244_k700-16x4-pre_64xb2-40x3x1-30e_kinetics700-rgb-312px/epoch_30.pth'

model = dict(
    # ImageNet's, and checkpointing: SlowFast configs/SSv2/MVITv2_L_40x3.yaml
    data_preprocessor=dict(
        mean=[123.675, 116.28, 103.53], std=[58.395, 57.12, 57.375]),
    backbone=dict(
        with_cp=True,
        type='mmhvt.MViT',
        arch='v2_large',
        input_size=(40, 312, 312),
        # as the model of Kinetics
        with_cls_token=True,
        drop_path_rate=0.4,
        init_cfg=dict(type='Pretrained', checkpoint=pretrained)),
    roi_head=dict(bbox_head=dict(in_channels=1152)))

clip = dict(type='mmhvt.SampleKeyFrameClip', clip_len=40, frame_interval=3)
# short side: SlowFast configs/SSv2/MVITv2_L_40x3.yaml
train_pipeline = [
    clip,
    dict(type='RawFrameDecode'),
    dict(type='RandomRescale', scale_range=(356, 446)),
    dict(type='RandomCrop', size=312),
    dict(type='Flip', flip_ratio=0.5),
    dict(type='FormatShape', input_format='NCTHW', collapse=True),
    dict(type='PackActionInputs')
]
test_pipeline = [
    clip,
    dict(type='mmhvt.KeepWholeProposals'),
    dict(type='RawFrameDecode'),
    dict(type='Resize', scale=(-1, 312)),
    dict(type='CenterCrop', crop_size=312),
    dict(type='FormatShape', input_format='NCTHW', collapse=True),
    _base_.pack
]
train_dataloader = dict(dataset=dict(pipeline=train_pipeline))
val_dataloader = dict(dataset=dict(pipeline=test_pipeline))
test_dataloader = val_dataloader

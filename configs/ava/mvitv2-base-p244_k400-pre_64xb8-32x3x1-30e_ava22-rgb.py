# MViTv2-B 32×3 on AVA v2.2 from Kinetics-400: 28.1 mAP in the paper (mvitv2, table A.2).
_base_ = [
    '../_base_/models/action_detector.py',
    '../_base_/datasets/ava22.py',
    '../_base_/schedules/sgd_30e_ava.py',
    '../_base_/default_runtime_ava.py'
]

pretrained = 'work_dirs/mvitv2-base-p244_128xb4-32x3x1-200e_kinetics400-rgb/epoch_200.pth'

model = dict(
    backbone=dict(
        type='mmhvt.MViT',
        arch='v2_base',
        input_size=(32, 224, 224),
        drop_path_rate=0.4,
        init_cfg=dict(type='Pretrained', checkpoint=pretrained)))

clip = dict(type='mmhvt.SampleKeyFrameClip', clip_len=32, frame_interval=3)
train_pipeline = [clip, dict(type='RawFrameDecode'), *_base_.augment]
test_pipeline = [
    clip,
    dict(type='mmhvt.KeepWholeProposals'),
    dict(type='RawFrameDecode'), *_base_.center_crop
]
train_dataloader = dict(dataset=dict(pipeline=train_pipeline))
val_dataloader = dict(dataset=dict(pipeline=test_pipeline))
test_dataloader = val_dataloader

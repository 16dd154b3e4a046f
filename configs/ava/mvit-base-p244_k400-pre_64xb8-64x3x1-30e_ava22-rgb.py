# MViT-B 64×3 on AVA v2.2 from Kinetics-400: 27.3 mAP in the paper (table 8).
_base_ = [
    '../_base_/models/action_detector.py',
    '../_base_/datasets/ava22.py',
    '../_base_/schedules/sgd_30e_ava.py',
    '../_base_/default_runtime_ava.py'
]

pretrained = 'work_dirs/mvit-base-p244_k400-32x3-pre_64xb2-64x3x1-5e_kinetics400-rgb/epoch_5.pth'

model = dict(
    backbone=dict(
        type='mmhvt.MViT',
        arch='base',
        input_size=(64, 224, 224),
        drop_path_rate=0.4,
        init_cfg=dict(type='Pretrained', checkpoint=pretrained)))

clip = dict(type='mmhvt.SampleKeyFrameClip', clip_len=64, frame_interval=3)
train_pipeline = [clip, dict(type='RawFrameDecode'), *_base_.augment]
test_pipeline = [
    clip,
    dict(type='mmhvt.KeepWholeProposals'),
    dict(type='RawFrameDecode'), *_base_.center_crop
]
train_dataloader = dict(dataset=dict(pipeline=train_pipeline))
val_dataloader = dict(dataset=dict(pipeline=test_pipeline))
test_dataloader = val_dataloader

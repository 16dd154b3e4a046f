# Video Swin-B on AVA v2.2 from Kinetics-400: ours, since its paper has nothing on AVA. Data and head are MViT's, the
# optimizer is what mmaction2 has for VideoMAE on AVA.
_base_ = [
    '../_base_/models/action_detector.py',
    '../_base_/datasets/ava22.py',
    '../_base_/schedules/adamw_layer-decay_20e_ava.py',
    '../_base_/default_runtime_ava.py'
]

pretrained = 'work_dirs/video-swin-base-p244-w877_in21k-pre_8xb8-32x2x1-30e_kinetics400-rgb/epoch_30.pth'

model = dict(
    data_preprocessor=dict(
        # as on Kinetics
        mean=[123.675, 116.28, 103.53],
        std=[58.395, 57.12, 57.375]),
    backbone=dict(
        type='mmhvt.VideoSwin',
        arch='base',
        input_size=(32, 224, 224),
        window_size=(8, 7, 7),
        drop_path_rate=0.3,  # as on Kinetics
        init_cfg=dict(type='Pretrained', checkpoint=pretrained)),
    roi_head=dict(bbox_head=dict(in_channels=1024)))

# the clips of Kinetics
clip = dict(type='mmhvt.SampleKeyFrameClip', clip_len=32, frame_interval=2)
train_pipeline = [clip, dict(type='RawFrameDecode'), *_base_.augment]
test_pipeline = [
    clip,
    dict(type='mmhvt.KeepWholeProposals'),
    dict(type='RawFrameDecode'), *_base_.center_crop
]
train_dataloader = dict(dataset=dict(pipeline=train_pipeline))
val_dataloader = dict(dataset=dict(pipeline=test_pipeline))
test_dataloader = val_dataloader

# that of VideoMAE's ViT-L, which has 24 blocks too
optim_wrapper = dict(
    optimizer=dict(lr=2.5e-4),
    paramwise_cfg=dict(
        layer_decay_rate=0.8,
        # as on Kinetics
        custom_keys=dict(rel_pos=dict(decay_mult=0.0))))

# UniFormerV2-B/16 on AVA v2.2 from Kinetics-710 and -400: ours, since its paper has nothing on AVA. Data and head are
# MViT's, the optimizer is what mmaction2 has for ViT-B of VideoMAE on AVA.
_base_ = [
    '../_base_/models/action_detector.py',
    '../_base_/datasets/ava22.py',
    '../_base_/schedules/adamw_layer-decay_20e_ava.py',
    '../_base_/default_runtime_ava.py'
]

pretrained = 'work_dirs/uniformerv2-base-p16_k710-pre_8xb32-u8-5e_kinetics400-rgb/epoch_5.pth'

model = dict(
    backbone=dict(
        type='mmhvt.UniFormerV2',
        arch='base',
        input_size=(8, 224, 224),
        vit='clip',
        # A global UniBlock returns one token for the clip, but boxes need maps: only local UniBlocks connect the
        # frames. The model of Kinetics has none; new ones change nothing at first.
        local_layers='all',
        global_layers=None,
        temporal_downsample=False,
        drop_path_rate=0.2,  # as on Something-Something, where it has local UniBlocks, and as VideoMAE's
        init_cfg=dict(type='Pretrained', checkpoint=pretrained)))

# the 8 frames of Kinetics, over 2 seconds as 16 with stride 4
clip = dict(type='mmhvt.SampleKeyFrameClip', clip_len=8, frame_interval=8)
train_pipeline = [clip, dict(type='RawFrameDecode'), *_base_.augment]
test_pipeline = [
    clip,
    dict(type='mmhvt.KeepWholeProposals'),
    dict(type='RawFrameDecode'), *_base_.center_crop
]
train_dataloader = dict(dataset=dict(pipeline=train_pipeline))
val_dataloader = dict(dataset=dict(pipeline=test_pipeline))
test_dataloader = val_dataloader

optim_wrapper = dict(
    paramwise_cfg=dict(
        # as on Kinetics
        custom_keys=dict(
            pos_embed=dict(decay_mult=0.0),
            cls_token=dict(decay_mult=0.0))))

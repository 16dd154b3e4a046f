# UniFormerV2-L/14 on Kinetics-400 from Kinetics-710, 64 frames of 336²: 90.0 top-1 in 3 × 2 views in
# the paper (table 16).
_base_ = [
    '../_base_/models/uniformerv2_large_336px.py',
    '../_base_/datasets/kinetics400.py',
    '../_base_/pipelines/uniformerv2_336px.py',
    '../_base_/schedules/adamw_5e_uniformerv2-large.py',
    '../_base_/default_runtime.py'
]

# the classifier is loaded, too: its rows are found by the names of the classes (appendix F)
pretrained = 'work_dirs/uniformerv2-large-p14_clip-pre_64xb8-u8-40e_kinetics710-rgb-336px/epoch_40.pth'

model = dict(
    backbone=dict(
        input_size=(64, 336, 336),
        with_cp=True,  # UniFormerV2 exp/k400/k400+k710_l14_f64x336/config.yaml
        init_cfg=dict(checkpoint=pretrained)),
    cls_head=dict(
        labels='k710->k400',
        init_cfg=dict(type='Pretrained', checkpoint=pretrained)))

clip = dict(type='UniformSample', clip_len=64)
train_pipeline = [
    dict(type='mmhvt.DecordInit'),
    clip,
    dict(type='DecordDecode'), *_base_.augment
]
val_pipeline = [
    dict(type='mmhvt.DecordInit'),
    dict(test_mode=True, **clip),
    dict(type='DecordDecode'), *_base_.center_crop
]
# 3 crops of each of 2 clips (table 16)
test_pipeline = [
    dict(type='mmhvt.DecordInit'),
    dict(num_clips=2, test_mode=True, **clip),
    dict(type='DecordDecode'), *_base_.three_crops
]
train_dataloader = dict(
    batch_size=2,  # 256 clips in all with 128 GPUs
    dataset=dict(pipeline=train_pipeline))
val_dataloader = dict(dataset=dict(pipeline=val_pipeline))
test_dataloader = dict(dataset=dict(pipeline=test_pipeline))

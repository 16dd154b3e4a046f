# UniFormerV2-L/14 with a frozen backbone on Kinetics-600 from Kinetics-710, 8 frames of 336²: 88.2
# top-1 in 1 × 3 views in the paper (table 16).
_base_ = [
    '../_base_/models/uniformerv2_large_336px.py',
    '../_base_/datasets/kinetics600.py',
    '../_base_/pipelines/uniformerv2_336px.py',
    '../_base_/schedules/adamw_5e_uniformerv2-frozen.py',
    '../_base_/default_runtime.py'
]

# the classifier is loaded, too: its rows are found by the names of the classes (appendix F)
pretrained = 'work_dirs/uniformerv2-large-p14-frozen_clip-pre_32xb16-u8-50e_kinetics710-rgb-336px/epoch_50.pth'

model = dict(
    backbone=dict(
        frozen=True,
        init_cfg=dict(checkpoint=pretrained)),
    cls_head=dict(
        num_classes=600,
        labels='k710->k600',
        init_cfg=dict(type='Pretrained', checkpoint=pretrained)))

# a crop of each of 3 clips (table 16)
test_pipeline = [
    dict(type='mmhvt.DecordInit'),
    dict(num_clips=3, test_mode=True, **_base_.clip),
    dict(type='DecordDecode'), *_base_.center_crop
]
train_dataloader = dict(
    batch_size=16,  # 512 clips in all with 32 GPUs
    dataset=dict(pipeline=_base_.train_pipeline))
val_dataloader = dict(dataset=dict(pipeline=_base_.val_pipeline))
test_dataloader = dict(dataset=dict(pipeline=test_pipeline))

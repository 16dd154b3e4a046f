# UniFormerV2-B/16 on Kinetics-400 from Kinetics-710, 8 frames: 85.6 top-1 in 3 × 4 views in the paper
# (table 16).
_base_ = [
    '../_base_/models/uniformerv2_base.py',
    '../_base_/datasets/kinetics400.py',
    '../_base_/pipelines/uniformerv2.py',
    '../_base_/schedules/adamw_5e_uniformerv2.py',
    '../_base_/default_runtime.py'
]

# the classifier is loaded, too: its rows are found by the names of the classes (appendix F)
pretrained = 'work_dirs/uniformerv2-base-p16_clip-pre_16xb32-u8-55e_kinetics710-rgb/epoch_55.pth'

model = dict(
    backbone=dict(init_cfg=dict(checkpoint=pretrained)),
    cls_head=dict(
        labels='k710->k400',
        init_cfg=dict(type='Pretrained', checkpoint=pretrained)))

train_dataloader = dict(
    batch_size=32,  # 256 clips in all with 8 GPUs
    dataset=dict(pipeline=_base_.train_pipeline))
val_dataloader = dict(dataset=dict(pipeline=_base_.val_pipeline))
test_dataloader = dict(dataset=dict(pipeline=_base_.test_pipeline))

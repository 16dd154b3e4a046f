# UniFormerV2-L/14 on Kinetics-700 from Kinetics-710, 16 frames: 81.2 top-1 in 3 × 4 views in the paper
# (table 16).
_base_ = [
    '../_base_/models/uniformerv2_large.py',
    '../_base_/datasets/kinetics700.py',
    '../_base_/pipelines/uniformerv2_u16.py',
    '../_base_/schedules/adamw_5e_uniformerv2-large.py',
    '../_base_/default_runtime.py'
]

# the classifier is loaded, too: its rows are found by the names of the classes (appendix F)
pretrained = 'work_dirs/uniformerv2-large-p14_clip-pre_32xb16-u8-40e_kinetics710-rgb/epoch_40.pth'

model = dict(
    backbone=dict(
        input_size=(16, 224, 224),
        init_cfg=dict(checkpoint=pretrained)),
    cls_head=dict(
        num_classes=700,
        labels='k710->k700',
        init_cfg=dict(type='Pretrained', checkpoint=pretrained)))

train_dataloader = dict(
    batch_size=8,  # 256 clips in all with 32 GPUs
    dataset=dict(pipeline=_base_.train_pipeline))
val_dataloader = dict(dataset=dict(pipeline=_base_.val_pipeline))
test_dataloader = dict(dataset=dict(pipeline=_base_.test_pipeline))

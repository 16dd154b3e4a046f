# UniFormerV2-L/14 on Moments in Time from Kinetics-710, then Kinetics-400, 8 frames: 47.0 top-1 in 3 ×
# 4 views in the paper (table 17).
_base_ = [
    '../_base_/models/uniformerv2_large.py',
    '../_base_/datasets/mit.py',
    '../_base_/pipelines/uniformerv2.py',
    '../_base_/schedules/adamw_18e_uniformerv2-large.py',
    '../_base_/default_runtime.py'
]

pretrained = 'work_dirs/uniformerv2-large-p14_k710-pre_16xb16-u8-5e_kinetics400-rgb/epoch_5.pth'

model = dict(
    backbone=dict(init_cfg=dict(checkpoint=pretrained)),
    cls_head=dict(num_classes=339))

train_dataloader = dict(
    batch_size=16,  # 512 clips in all with 32 GPUs
    dataset=dict(pipeline=_base_.train_pipeline))
val_dataloader = dict(dataset=dict(pipeline=_base_.val_pipeline))
test_dataloader = dict(dataset=dict(pipeline=_base_.test_pipeline))

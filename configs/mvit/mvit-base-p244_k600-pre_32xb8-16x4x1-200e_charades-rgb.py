# MViT-B 16×4 on Charades from Kinetics-600: 43.9 mAP in 3 × 10 views in the paper (table 7).
_base_ = [
    '../_base_/models/mvit_base_charades.py',
    '../_base_/datasets/charades.py',
    '../_base_/pipelines/mvit_charades.py',
    '../_base_/schedules/sgd_200e_charades.py',
    '../_base_/default_runtime.py'
]

pretrained = 'work_dirs/mvit-base-p244_128xb4-16x4x1-200e_kinetics600-rgb/epoch_200.pth'

model = dict(
    backbone=dict(
        init_cfg=dict(type='Pretrained', checkpoint=pretrained)))

train_dataloader = dict(
    batch_size=8,  # 256 in all with 32 GPUs
    dataset=dict(pipeline=_base_.train_pipeline))
val_dataloader = dict(dataset=dict(pipeline=_base_.val_pipeline))
test_dataloader = dict(dataset=dict(pipeline=_base_.test_pipeline))

# UniFormerV2-L/14 on Kinetics-400 from Kinetics-710, 8 frames of 336²: the paper has no result. Moments in Time
# begins with it (UniFormerV2 exp/mit/mit_l14_f8x336/config.yaml).
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
        with_cp=True,  # UniFormerV2 exp/k400/k400+k710_l14_f32x336/config.yaml
        init_cfg=dict(checkpoint=pretrained)),
    cls_head=dict(
        labels='k710->k400',
        init_cfg=dict(type='Pretrained', checkpoint=pretrained)))

train_dataloader = dict(
    batch_size=8,  # 256 clips in all with 32 GPUs
    dataset=dict(pipeline=_base_.train_pipeline))
val_dataloader = dict(dataset=dict(pipeline=_base_.val_pipeline))
test_dataloader = dict(dataset=dict(pipeline=_base_.test_pipeline))

# UniFormerV2-L/14 on Moments in Time from CLIP, 8 frames of 336²: 47.2 top-1 in 3 × 4 views in the
# paper (table 17).
_base_ = [
    '../_base_/models/uniformerv2_large_336px.py',
    '../_base_/datasets/mit.py',
    '../_base_/pipelines/uniformerv2_336px.py',
    '../_base_/schedules/adamw_18e_uniformerv2-large.py',
    '../_base_/default_runtime.py'
]

model = dict(
    backbone=dict(with_cp=True),  # UniFormerV2 exp/mit/mit_l14_f8x336/config.yaml
    cls_head=dict(num_classes=339))

train_dataloader = dict(
    batch_size=8,  # 512 clips in all with 64 GPUs
    dataset=dict(pipeline=_base_.train_pipeline))
val_dataloader = dict(dataset=dict(pipeline=_base_.val_pipeline))
test_dataloader = dict(dataset=dict(pipeline=_base_.test_pipeline))

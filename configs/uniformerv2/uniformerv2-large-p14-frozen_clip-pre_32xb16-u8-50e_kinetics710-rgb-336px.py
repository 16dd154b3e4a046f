# UniFormerV2-L/14 with a frozen backbone on Kinetics-710 from CLIP, 8 frames of 336²: the paper has no
# result.
_base_ = [
    '../_base_/models/uniformerv2_large_336px.py',
    '../_base_/datasets/kinetics710.py',
    '../_base_/pipelines/uniformerv2_336px.py',
    '../_base_/schedules/adamw_50e_uniformerv2-frozen.py',
    '../_base_/default_runtime.py'
]

model = dict(
    backbone=dict(frozen=True),
    cls_head=dict(num_classes=710))

train_dataloader = dict(
    batch_size=16,  # 512 clips in all with 32 GPUs
    dataset=dict(pipeline=_base_.train_pipeline))
val_dataloader = dict(dataset=dict(pipeline=_base_.val_pipeline))
test_dataloader = dict(dataset=dict(pipeline=_base_.test_pipeline))

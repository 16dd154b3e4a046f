# UniFormerV2-B/16 on Kinetics-710 from CLIP, 8 frames: the paper has no result.
_base_ = [
    '../_base_/models/uniformerv2_base.py',
    '../_base_/datasets/kinetics710.py',
    '../_base_/pipelines/uniformerv2.py',
    '../_base_/schedules/adamw_55e_uniformerv2.py',
    '../_base_/default_runtime.py'
]

model = dict(cls_head=dict(num_classes=710))

train_dataloader = dict(
    batch_size=32,  # 512 clips in all with 16 GPUs
    dataset=dict(pipeline=_base_.train_pipeline))
val_dataloader = dict(dataset=dict(pipeline=_base_.val_pipeline))
test_dataloader = dict(dataset=dict(pipeline=_base_.test_pipeline))

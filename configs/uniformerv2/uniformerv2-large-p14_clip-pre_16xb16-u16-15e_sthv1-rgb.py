# UniFormerV2-L/14 on Something-Something V1 from CLIP, 16 frames: 60.5 top-1 in 3 × 1 views in the
# paper (table 18).
_base_ = [
    '../_base_/models/uniformerv2_large_sth.py',
    '../_base_/datasets/sthv1_repeat2.py',
    '../_base_/pipelines/uniformerv2_sth.py',
    '../_base_/schedules/adamw_15e_uniformerv2-large.py',
    '../_base_/default_runtime.py'
]

train_dataloader = dict(
    batch_size=8,  # videos, 16 clips a GPU: 128 videos in all with 16 GPUs
    dataset=dict(pipeline=_base_.train_pipeline))
val_dataloader = dict(dataset=dict(pipeline=_base_.val_pipeline))
test_dataloader = dict(dataset=dict(pipeline=_base_.test_pipeline))

# UniFormerV2-B/16 on Something-Something V1 from CLIP, 16 frames: 56.8 top-1 in 3 × 1 views in the
# paper (table 18).
_base_ = [
    '../_base_/models/uniformerv2_base_sth.py',
    '../_base_/datasets/sthv1_repeat2.py',
    '../_base_/pipelines/uniformerv2_sth.py',
    '../_base_/schedules/adamw_22e_uniformerv2.py',
    '../_base_/default_runtime.py'
]

train_dataloader = dict(
    batch_size=16,  # videos, 32 clips a GPU: 128 videos in all with 8 GPUs
    dataset=dict(pipeline=_base_.train_pipeline))
val_dataloader = dict(dataset=dict(pipeline=_base_.val_pipeline))
test_dataloader = dict(dataset=dict(pipeline=_base_.test_pipeline))

# UniFormerV2-L/14 on Kinetics-600 from Kinetics-710, 64 frames of 336²: 90.1 top-1 in 3 × 2 views in
# the paper (table 16).
_base_ = 'uniformerv2-large-p14_k710-pre_64xb4-u32-5e_kinetics600-rgb-336px.py'

model = dict(backbone=dict(input_size=(64, 336, 336)))

clip = dict(clip_len=64)
train_pipeline = _base_.train_pipeline
val_pipeline = _base_.val_pipeline
test_pipeline = _base_.test_pipeline
train_pipeline[1].update(clip)
val_pipeline[1].update(clip)
test_pipeline[1].update(clip)
train_dataloader = dict(
    batch_size=2,  # 256 clips in all with 128 GPUs
    dataset=dict(pipeline=train_pipeline))
val_dataloader = dict(dataset=dict(pipeline=val_pipeline))
test_dataloader = dict(dataset=dict(pipeline=test_pipeline))

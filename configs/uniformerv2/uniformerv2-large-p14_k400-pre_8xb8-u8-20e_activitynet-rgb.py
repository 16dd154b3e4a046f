# UniFormerV2-L/14 on ActivityNet from Kinetics-400, 8 frames: 93.0 top-1 in 3 × 10 views in the paper
# (table 19).
_base_ = 'uniformerv2-large-p14_k400-pre_16xb4-u16-20e_activitynet-rgb.py'

model = dict(backbone=dict(input_size=(8, 224, 224)))

clip = dict(clip_len=8)
train_pipeline = _base_.train_pipeline
val_pipeline = _base_.val_pipeline
test_pipeline = _base_.test_pipeline
train_pipeline[1].update(clip)
val_pipeline[1].update(clip)
test_pipeline[1].update(clip)
train_dataloader = dict(
    batch_size=4,  # segments, 8 clips a GPU: 64 in all with 8 GPUs
    dataset=dict(pipeline=train_pipeline))
val_dataloader = dict(dataset=dict(pipeline=val_pipeline))
test_dataloader = dict(dataset=dict(pipeline=test_pipeline))

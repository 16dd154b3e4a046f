# UniFormerV2-L/14 on Kinetics-400 from Kinetics-710, 16 frames: 89.1 top-1 in 3 × 4 views in the paper
# (table 16).
_base_ = 'uniformerv2-large-p14_k710-pre_16xb16-u8-5e_kinetics400-rgb.py'

model = dict(backbone=dict(input_size=(16, 224, 224)))

clip = dict(clip_len=16)
train_pipeline = _base_.train_pipeline
val_pipeline = _base_.val_pipeline
test_pipeline = _base_.test_pipeline
train_pipeline[1].update(clip)
val_pipeline[1].update(clip)
test_pipeline[1].update(clip)
train_dataloader = dict(
    batch_size=8,  # 256 clips in all with 32 GPUs
    dataset=dict(pipeline=train_pipeline))
val_dataloader = dict(dataset=dict(pipeline=val_pipeline))
test_dataloader = dict(dataset=dict(pipeline=test_pipeline))

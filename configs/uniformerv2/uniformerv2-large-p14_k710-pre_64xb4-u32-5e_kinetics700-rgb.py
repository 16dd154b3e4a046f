# UniFormerV2-L/14 on Kinetics-700 from Kinetics-710, 32 frames: 81.5 top-1 in 3 × 2 views in the paper
# (table 16).
_base_ = 'uniformerv2-large-p14_k710-pre_16xb16-u8-5e_kinetics700-rgb.py'

model = dict(backbone=dict(input_size=(32, 224, 224)))

clip = dict(clip_len=32)
train_pipeline = _base_.train_pipeline
val_pipeline = _base_.val_pipeline
test_pipeline = _base_.test_pipeline
train_pipeline[1].update(clip)
val_pipeline[1].update(clip)
# 3 crops of each of 2 clips (table 16)
test_pipeline[1].update(num_clips=2, **clip)
train_dataloader = dict(
    batch_size=4,  # 256 clips in all with 64 GPUs
    dataset=dict(pipeline=train_pipeline))
val_dataloader = dict(dataset=dict(pipeline=val_pipeline))
test_dataloader = dict(dataset=dict(pipeline=test_pipeline))

# UniFormerV2-B/16 on Moments in Time from CLIP, 32 frames: 42.2 top-1 in 3 × 4 views in the paper
# (table 17).
_base_ = 'uniformerv2-base-p16_clip-pre_16xb32-u8-24e_mit-rgb.py'

model = dict(backbone=dict(input_size=(32, 224, 224)))

clip = dict(clip_len=32)
train_pipeline = _base_.train_pipeline
val_pipeline = _base_.val_pipeline
test_pipeline = _base_.test_pipeline
train_pipeline[1].update(clip)
val_pipeline[1].update(clip)
test_pipeline[1].update(clip)
train_dataloader = dict(
    batch_size=8,  # 512 clips in all with 64 GPUs
    dataset=dict(pipeline=train_pipeline))
val_dataloader = dict(dataset=dict(pipeline=val_pipeline))
test_dataloader = dict(dataset=dict(pipeline=test_pipeline))

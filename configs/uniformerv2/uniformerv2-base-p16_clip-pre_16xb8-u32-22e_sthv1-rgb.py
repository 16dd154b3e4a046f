# UniFormerV2-B/16 on Something-Something V1 from CLIP, 32 frames: 59.4 top-1 in 3 × 1 views in the
# paper (table 18).
_base_ = 'uniformerv2-base-p16_clip-pre_8xb16-u16-22e_sthv1-rgb.py'

model = dict(backbone=dict(input_size=(32, 224, 224)))

clip = dict(clip_len=32)
train_pipeline = _base_.train_pipeline
val_pipeline = _base_.val_pipeline
test_pipeline = _base_.test_pipeline
train_pipeline[1].update(clip)
val_pipeline[1].update(clip)
test_pipeline[1].update(clip)
train_dataloader = dict(
    batch_size=4,  # videos, 8 clips a GPU: 128 in all with 16 GPUs
    dataset=dict(pipeline=train_pipeline))
val_dataloader = dict(dataset=dict(pipeline=val_pipeline))
test_dataloader = dict(dataset=dict(pipeline=test_pipeline))

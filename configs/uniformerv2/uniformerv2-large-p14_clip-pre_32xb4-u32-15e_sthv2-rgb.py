# UniFormerV2-L/14 on Something-Something V2 from CLIP, 32 frames: 73.0 top-1 in 3 × 1 views in the
# paper (table 18).
_base_ = 'uniformerv2-large-p14_clip-pre_16xb8-u16-15e_sthv2-rgb.py'

model = dict(backbone=dict(input_size=(32, 224, 224)))

clip = dict(clip_len=32)
train_pipeline = _base_.train_pipeline
val_pipeline = _base_.val_pipeline
test_pipeline = _base_.test_pipeline
train_pipeline[1].update(clip)
val_pipeline[1].update(clip)
test_pipeline[1].update(clip)
train_dataloader = dict(
    batch_size=2,  # videos, 4 clips a GPU: 128 in all with 32 GPUs
    dataset=dict(pipeline=train_pipeline))
val_dataloader = dict(dataset=dict(pipeline=val_pipeline))
test_dataloader = dict(dataset=dict(pipeline=test_pipeline))

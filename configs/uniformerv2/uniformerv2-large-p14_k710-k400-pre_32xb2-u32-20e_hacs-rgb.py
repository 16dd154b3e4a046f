# UniFormerV2-L/14 on HACS from Kinetics-710, then Kinetics-400, 32 frames: 95.4 top-1 in 3 × 10 views
# in the paper (table 19).
_base_ = 'uniformerv2-large-p14_k400-pre_16xb4-u16-20e_hacs-rgb.py'

# which of Kinetics: paper silent, here that of as many frames
pretrained = 'work_dirs/uniformerv2-large-p14_k710-pre_64xb4-u32-5e_kinetics400-rgb/epoch_5.pth'

model = dict(
    backbone=dict(
        input_size=(32, 224, 224),
        init_cfg=dict(checkpoint=pretrained)))

clip = dict(clip_len=32)
train_pipeline = _base_.train_pipeline
val_pipeline = _base_.val_pipeline
test_pipeline = _base_.test_pipeline
train_pipeline[1].update(clip)
val_pipeline[1].update(clip)
test_pipeline[1].update(clip)
train_dataloader = dict(
    batch_size=1,  # segments, 2 clips a GPU: 64 in all with 32 GPUs
    dataset=dict(pipeline=train_pipeline))
val_dataloader = dict(dataset=dict(pipeline=val_pipeline))
test_dataloader = dict(dataset=dict(pipeline=test_pipeline))

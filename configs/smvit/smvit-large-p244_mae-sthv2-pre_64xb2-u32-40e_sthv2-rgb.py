# SMViT-L with 32 frames on Something-Something V2: 76.5 top-1 in 3 × 1 views in the paper (table 6).
# What differs in table 12(c), which has neither mixup, cutmix nor label smoothing. It starts from 16 frames,
# the positions in time of which are resized: paper silent.
_base_ = './smvit-large-p244_mae-sthv2-pre_32xb8-u16-40e_sthv2-rgb.py'

model = dict(
    data_preprocessor=dict(blending=None),
    backbone=dict(
        input_size=(32, 224, 224),
        drop_path_rate=0.2),
    cls_head=dict(label_smooth_eps=0.0))

clip = dict(clip_len=32)
train_pipeline = _base_.train_pipeline
val_pipeline = _base_.val_pipeline
test_pipeline = _base_.test_pipeline
train_pipeline[1].update(clip)
val_pipeline[1].update(clip)
test_pipeline[1].update(clip)
train_dataloader = dict(
    batch_size=2,  # clips a GPU: 128 in all with 64 GPUs
    dataset=dict(pipeline=train_pipeline))
val_dataloader = dict(dataset=dict(pipeline=val_pipeline))
test_dataloader = dict(dataset=dict(pipeline=test_pipeline))

optim_wrapper = dict(optimizer=dict(lr=0.08))  # of 128 clips

auto_scale_lr = dict(base_batch_size=128)

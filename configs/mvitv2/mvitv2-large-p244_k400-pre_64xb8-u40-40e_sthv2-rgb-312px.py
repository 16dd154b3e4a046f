# MViTv2-L with 40 frames of 312² on Something-Something V2 from Kinetics-400 (B.5). The size of frames is
# that of Kinetics: paper silent.
_base_ = 'mvitv2-small-p244_k400-pre_64xb8-u16-100e_sthv2-rgb.py'

pretrained = 'work_dirs/mvitv2-large-p244_k400-16x4-pre_64xb2-40x3x1-30e_kinetics400-rgb-312px/epoch_30.pth'

model = dict(
    backbone=dict(
        arch='v2_large',
        input_size=(40, 312, 312),
        # as the model of Kinetics
        with_cls_token=True,
        residual_pooling='all',
        init_cfg=dict(checkpoint=pretrained)),
    cls_head=dict(in_channels=1152))

clip = dict(clip_len=40)
train_pipeline = _base_.train_pipeline
val_pipeline = _base_.val_pipeline
test_pipeline = _base_.test_pipeline
train_pipeline[1].update(clip)
val_pipeline[1].update(clip)
test_pipeline[1].update(clip)
# Resize, random crop resized; Resize, crop
train_pipeline[3].update(scale=(-1, 356))
train_pipeline[6].update(scale=(312, 312))
val_pipeline[3].update(scale=(-1, 356))
val_pipeline[4].update(crop_size=312)
test_pipeline[3].update(scale=(-1, 356))
test_pipeline[4].update(crop_size=312)
train_dataloader = dict(dataset=dict(pipeline=train_pipeline))
val_dataloader = dict(dataset=dict(pipeline=val_pipeline))
test_dataloader = dict(dataset=dict(pipeline=test_pipeline))

train_cfg = dict(max_epochs=40)
param_scheduler = [
    dict(
        type='CosineAnnealingLR',
        eta_min=0,
        begin=0,
        end=40,
        convert_to_iter_based=True)
]

# MViTv2-B 32×3 on Kinetics-600 from scratch: all as for Kinetics-400 (B.4).
_base_ = [
    '../_base_/models/mvitv2_small.py',
    '../_base_/datasets/kinetics600_mvit.py',
    '../_base_/schedules/adamw_200e_kinetics.py',
    '../_base_/default_runtime.py'
]

model = dict(
    data_preprocessor=dict(blending=dict(num_classes=600)),
    backbone=dict(
        arch='v2_base',
        input_size=(32, 224, 224),
        drop_path_rate=0.3),
    cls_head=dict(num_classes=600))

clip = dict(clip_len=32, frame_interval=3)
train_pipeline = _base_.train_pipeline
val_pipeline = _base_.val_pipeline
test_pipeline = _base_.test_pipeline
train_pipeline[1].update(clip)
val_pipeline[1].update(clip)
test_pipeline[1].update(clip)
train_dataloader = dict(dataset=dict(pipeline=train_pipeline))
val_dataloader = dict(dataset=dict(pipeline=val_pipeline))
test_dataloader = dict(dataset=dict(pipeline=test_pipeline))

# SMViT-L with 32 frames on Something-Something V2: 76.5 top-1 in 3 × 1 views in the paper (table 6).
# Numbers are table 12(c)'s, which has neither mixup, cutmix nor label smoothing. It starts from
# pre-training on 16 frames, the only one of the paper, whose positions in time are resized.
_base_ = [
    '../_base_/models/smvit_base.py',
    '../_base_/datasets/sthv2.py',
    '../_base_/pipelines/smvit_sthv2.py',
    '../_base_/schedules/sgd_layer-decay_40e_sthv2.py',
    '../_base_/default_runtime.py'
]

# the result of our recipe for masked pre-training; the authors published none
pretrained = 'work_dirs/mae_smvit-large-p244_64xb16-u16-1600e_sthv2-rgb/epoch_1600.pth'

model = dict(
    data_preprocessor=dict(blending=None),
    backbone=dict(
        arch='large',
        input_size=(32, 224, 224),
        drop_path_rate=0.2,
        init_cfg=dict(type='Pretrained', checkpoint=pretrained)),
    cls_head=dict(
        num_classes=174,
        in_channels=1152,
        dropout_ratio=0.5,
        label_smooth_eps=0.0))

segments = dict(type='UniformSample', clip_len=32)
train_pipeline = [
    dict(type='mmhvt.DecordInit'),
    segments,
    dict(type='DecordDecode'), *_base_.augment
]
val_pipeline = [
    dict(type='mmhvt.DecordInit'),
    dict(test_mode=True, **segments),
    dict(type='DecordDecode'), *_base_.center_crop
]
# 3 × 1 views: table 6
test_pipeline = [
    dict(type='mmhvt.DecordInit'),
    dict(test_mode=True, **segments),
    dict(type='DecordDecode'), *_base_.three_crops
]
train_dataloader = dict(
    batch_size=2,  # clips a GPU: 128 in all with 64 GPUs
    dataset=dict(pipeline=train_pipeline))
val_dataloader = dict(dataset=dict(pipeline=val_pipeline))
test_dataloader = dict(dataset=dict(pipeline=test_pipeline))

optim_wrapper = dict(optimizer=dict(lr=0.08))  # of 128 clips

auto_scale_lr = dict(base_batch_size=128)

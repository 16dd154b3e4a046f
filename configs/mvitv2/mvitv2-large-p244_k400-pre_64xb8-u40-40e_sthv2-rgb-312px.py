# MViTv2-L with 40 frames of 312² on Something-Something V2 from Kinetics-400 (B.5). The size of frames is
# that of Kinetics: paper silent.
_base_ = [
    '../_base_/models/mvitv2_small.py',
    '../_base_/datasets/sthv2.py',
    '../_base_/pipelines/mvit_sthv2.py',
    '../_base_/schedules/sgd_100e_sthv2.py',
    '../_base_/default_runtime.py'
]

pretrained = 'work_dirs/mvitv2-large-p244_k400-16x4-pre_64xb2-40x3x1-30e_kinetics400-rgb-312px/epoch_30.pth'

model = dict(
    backbone=dict(
        arch='v2_large',
        input_size=(40, 312, 312),
        # as the model of Kinetics
        with_cls_token=True,
        residual_pooling='all',
        drop_path_rate=0.4,
        init_cfg=dict(type='Pretrained', checkpoint=pretrained)),
    cls_head=dict(
        num_classes=174,
        in_channels=1152))

# 356 is to 312 as 256 is to 224: paper silent
clip = dict(type='UniformSample', clip_len=40)
train_pipeline = [
    dict(type='mmhvt.DecordInit'),
    clip,
    dict(type='DecordDecode'),
    # bounds the work of what follows
    dict(type='Resize', scale=(-1, 356)),
    _base_.rand_augment,
    _base_.random_crop,
    dict(type='Resize', scale=(312, 312), keep_ratio=False),
    _base_.random_erasing,
    dict(type='FormatShape', input_format='NCTHW'),
    dict(type='PackActionInputs')
]
val_pipeline = [
    dict(type='mmhvt.DecordInit'),
    dict(test_mode=True, **clip),
    dict(type='DecordDecode'),
    dict(type='Resize', scale=(-1, 356)),
    dict(type='CenterCrop', crop_size=312),
    dict(type='FormatShape', input_format='NCTHW'),
    dict(type='PackActionInputs')
]
# 3 spatial × 1 temporal views
test_pipeline = [
    dict(type='mmhvt.DecordInit'),
    dict(test_mode=True, **clip),
    dict(type='DecordDecode'),
    dict(type='Resize', scale=(-1, 356)),
    dict(type='mmhvt.ThreeCrop', crop_size=312),
    dict(type='FormatShape', input_format='NCTHW'),
    dict(type='PackActionInputs')
]
train_dataloader = dict(
    batch_size=8,  # 512 in all with 64 GPUs
    dataset=dict(pipeline=train_pipeline))
val_dataloader = dict(dataset=dict(pipeline=val_pipeline))
test_dataloader = dict(dataset=dict(pipeline=test_pipeline))

train_cfg = dict(max_epochs=40)
param_scheduler = [dict(_base_.cosine, end=40)]

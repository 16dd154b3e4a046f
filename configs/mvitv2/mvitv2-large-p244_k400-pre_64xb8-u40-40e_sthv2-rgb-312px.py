# MViTv2-L with 40 frames of 312² on Something-Something V2 from Kinetics-400 (B.5). Sizes of frames, steps of warm-up
# and clipping: SlowFast configs/SSv2/MVITv2_L_40x3.yaml.
_base_ = [
    '../_base_/models/mvitv2_large.py',
    '../_base_/datasets/sthv2.py',
    '../_base_/pipelines/mvit_sthv2.py',
    '../_base_/schedules/sgd_100e_sthv2.py',
    '../_base_/default_runtime.py'
]

pretrained = 'work_dirs/mvitv2-large-p244_k400-16x4-pre_64xb2-40x3x1-30e_kinetics400-rgb-312px/epoch_30.pth'

model = dict(
    backbone=dict(
        input_size=(40, 312, 312),
        drop_path_rate=0.4,
        with_cp=True,
        init_cfg=dict(type='Pretrained', checkpoint=pretrained)),
    cls_head=dict(num_classes=174))

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
    dict(_base_.random_erasing, fill_color=(123.675, 116.28, 103.53), fill_std=(58.395, 57.12, 57.375)),
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
# 3 spatial × 1 temporal views, crops as high as the frame: SlowFast slowfast/datasets/ssv2.py
test_pipeline = [
    dict(type='mmhvt.DecordInit'),
    dict(test_mode=True, **clip),
    dict(type='DecordDecode'),
    dict(type='Resize', scale=(-1, 312)),
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
optim_wrapper = dict(clip_grad=dict(max_norm=2.0))
# from 1e-6 for 8 clips, and to it
param_scheduler = [
    dict(_base_.warmup, start_factor=3.2e-3),
    dict(_base_.cosine, eta_min_ratio=3.2e-3, end=40)
]

# Video Swin-B on Something-Something V2 from Kinetics-400: 69.6 top-1 in 1 × 3 views in the paper (table 3).
# Numbers are those of section 4.1; what it takes from MViT is in the base of the pipelines.
_base_ = [
    '../_base_/models/video_swin_base.py',
    '../_base_/datasets/sthv2.py',
    '../_base_/pipelines/mvit_sthv2.py',
    '../_base_/schedules/adamw_30e_video-swin.py',
    '../_base_/default_runtime.py'
]

# the authors' start: swin_base_patch244_window1677_kinetics400_22k.pth, Video-Swin-Transformer README.md
pretrained = 'work_dirs/video-swin-base-p244-w1677_in21k-pre_8xb8-32x2x1-30e_kinetics400-rgb/epoch_30.pth'

model = dict(
    backbone=dict(
        window_size=(16, 7, 7),
        drop_path_rate=0.4,
        init_cfg=dict(checkpoint=pretrained)),
    cls_head=dict(
        num_classes=174,
        label_smooth_eps=0.1),  # MViT's
    test_cfg=dict(max_testing_views=2))  # Video-Swin-Transformer configs/recognition/swin

# one frame from each of 32 segments; the order and what erased regions are filled with, the mean of the pixels:
# Video-Swin-Transformer configs/recognition/swin
clip = dict(type='UniformSample', clip_len=32)
train_pipeline = [
    dict(type='mmhvt.DecordInit'),
    clip,
    dict(type='DecordDecode'),
    dict(type='Resize', scale=(-1, 256)),
    _base_.random_crop,
    dict(type='Resize', scale=(224, 224), keep_ratio=False),
    _base_.rand_augment,
    dict(_base_.random_erasing, mode='const', fill_color=_base_.model.data_preprocessor.mean, fill_std=None),
    dict(type='FormatShape', input_format='NCTHW'),
    dict(type='PackActionInputs')
]
val_pipeline = [
    dict(type='mmhvt.DecordInit'),
    dict(test_mode=True, **clip),
    dict(type='DecordDecode'), *_base_.center_crop
]
# crops as high as the frame, as for Kinetics
test_pipeline = [
    dict(type='mmhvt.DecordInit'),
    dict(test_mode=True, **clip),
    dict(type='DecordDecode'),
    dict(type='Resize', scale=(-1, 224)),
    dict(type='mmhvt.ThreeCrop', crop_size=224),
    dict(type='FormatShape', input_format='NCTHW'),
    dict(type='PackActionInputs')
]
train_dataloader = dict(
    batch_size=8,  # 64 in all with 8 GPUs
    dataset=dict(pipeline=train_pipeline))
val_dataloader = dict(batch_size=1, dataset=dict(pipeline=val_pipeline))
test_dataloader = dict(dataset=dict(pipeline=test_pipeline))

train_cfg = dict(max_epochs=60)
optim_wrapper = dict(optimizer=dict(weight_decay=0.05))
param_scheduler = [
    _base_.warmup,
    dict(_base_.cosine, end=60)
]

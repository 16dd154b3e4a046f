# MViTv2-L 40×3 on Kinetics-400 at 312², from 16×4 at 224² (B.4: "For long-term models with 40×3
# sampling").
_base_ = 'mvitv2-large-p244_in21k-pre_128xb4-16x4x1-75e_kinetics400-rgb.py'

# relative positions are resized as the file is loaded
pretrained = 'work_dirs/mvitv2-large-p244_in21k-pre_128xb4-16x4x1-75e_kinetics400-rgb/epoch_75.pth'

model = dict(
    # mixup is disabled, and with it CutMix, as by PySlowFast's switch
    data_preprocessor=dict(blending=None),
    backbone=dict(
        input_size=(40, 312, 312),
        init_cfg=dict(checkpoint=pretrained)),
    # the classifier goes on from the file too
    cls_head=dict(init_cfg=dict(type='Pretrained', checkpoint=pretrained, prefix='cls_head.')))

# 40 frames with stride 3, 312²
clip = dict(type='SampleFrames', clip_len=40, frame_interval=3)
train_pipeline = [
    dict(type='mmhvt.DecordInit'),
    dict(num_clips=1, **clip),
    dict(type='DecordDecode'),
    # bounds the work of what follows, as 256 does for 224²
    dict(type='Resize', scale=(-1, 356)),
    dict(
        type='mmhvt.RandAugment',
        magnitude=7,
        magnitude_std=0.5,
        num_ops=4,
        prob=0.5),
    dict(
        type='RandomResizedCrop',
        area_range=(0.08, 1.0),
        aspect_ratio_range=(3 / 4, 4 / 3)),
    dict(type='Resize', scale=(312, 312), keep_ratio=False),
    dict(type='Flip', flip_ratio=0.5),
    dict(
        type='RandomErasing',
        erase_prob=0.25,
        min_area_ratio=0.02,
        max_area_ratio=1 / 3,
        mode='rand',
        fill_color=(114.75, 114.75, 114.75),
        fill_std=(57.375, 57.375, 57.375)),
    dict(type='FormatShape', input_format='NCTHW'),
    dict(type='PackActionInputs')
]
val_pipeline = [
    dict(type='mmhvt.DecordInit'),
    dict(num_clips=1, test_mode=True, **clip),
    dict(type='DecordDecode'),
    dict(type='Resize', scale=(-1, 356)),
    dict(type='CenterCrop', crop_size=312),
    dict(type='FormatShape', input_format='NCTHW'),
    dict(type='PackActionInputs')
]
# 3 spatial × 5 temporal views. 356 is to 312 as 256 is to 224: paper silent
test_pipeline = [
    dict(type='mmhvt.DecordInit'),
    dict(num_clips=5, test_mode=True, **clip),
    dict(type='DecordDecode'),
    dict(type='Resize', scale=(-1, 356)),
    dict(type='mmhvt.ThreeCrop', crop_size=312),
    dict(type='FormatShape', input_format='NCTHW'),
    dict(type='PackActionInputs')
]

train_dataloader = dict(
    batch_size=1,  # video, 2 clips a GPU: 128 in all with 64 GPUs
    dataset=dict(pipeline=train_pipeline))
val_dataloader = dict(dataset=dict(pipeline=val_pipeline))
test_dataloader = dict(dataset=dict(pipeline=test_pipeline))

train_cfg = dict(max_epochs=30)
optim_wrapper = dict(
    optimizer=dict(
        lr=1.6e-5,  # for 128 clips
        weight_decay=1e-8))
# no warm-up: paper silent
param_scheduler = [
    dict(
        type='CosineAnnealingLR',
        eta_min=0,
        begin=0,
        end=30,
        convert_to_iter_based=True)
]

auto_scale_lr = dict(base_batch_size=64)

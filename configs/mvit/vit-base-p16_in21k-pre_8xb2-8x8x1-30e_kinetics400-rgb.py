# ViT-B 8×8, the baseline of MViT, on Kinetics-400 from ImageNet-21K: 79.3 top-1 in 1 × 5 views in the
# paper (table 4). Numbers are those of D.1, "Fine-tuning from ImageNet"; where it refers to "the recipe
# in [30]", they are SlowFast's.
_base_ = [
    '../_base_/models/vit_base.py',
    '../_base_/datasets/kinetics400.py',
    '../_base_/pipelines/mvit.py',
    '../_base_/schedules/adamw_200e_kinetics.py',
    '../_base_/default_runtime.py'
]

# ViT-B/16 of Dosovitskiy et al., pre-trained on ImageNet-21K. Its positions are repeated for each
# frame as the file is loaded.
pretrained = 'https://storage.googleapis.com/vit_models/imagenet21k/ViT-B_16.npz'

model = dict(
    # SlowFast has neither mixup nor CutMix, label smoothing or drop path
    data_preprocessor=dict(blending=None),
    backbone=dict(
        drop_path_rate=0.0,
        init_cfg=dict(type='Pretrained', checkpoint=pretrained)),
    cls_head=dict(label_smooth_eps=0.0))

# table 1: 8 frames with stride 8
clip = dict(_base_.clip, clip_len=8, frame_interval=8)
train_pipeline = [
    dict(type='mmhvt.DecordInit'),
    dict(num_clips=1, **clip),
    dict(type='DecordDecode'),
    # SlowFast: the shorter side in [256, 320], a random crop, flip
    dict(type='RandomRescale', scale_range=(256, 320)),
    dict(type='RandomCrop', size=224),
    dict(type='Flip', flip_ratio=0.5),
    dict(type='FormatShape', input_format='NCTHW'),
    dict(type='PackActionInputs')
]
val_pipeline = [
    dict(type='mmhvt.DecordInit'),
    dict(num_clips=1, test_mode=True, **clip),
    dict(type='DecordDecode'), *_base_.center_crop
]
# 1 × 5 views
test_pipeline = [
    dict(type='mmhvt.DecordInit'),
    dict(num_clips=5, test_mode=True, **clip),
    dict(type='DecordDecode'), *_base_.center_crop
]
train_dataloader = dict(
    batch_size=2,  # clips a GPU: D.1
    dataset=dict(pipeline=train_pipeline))
val_dataloader = dict(dataset=dict(pipeline=val_pipeline))
test_dataloader = dict(dataset=dict(pipeline=test_pipeline))

train_cfg = dict(max_epochs=30)
optim_wrapper = dict(
    optimizer=dict(
        _delete_=True,
        type='SGD',
        lr=1e-3,  # for 16 clips. For 8 GPUs: no number of GPUs is given
        # SlowFast slowfast/config/defaults.py
        momentum=0.9,
        nesterov=True,
        weight_decay=1e-4),
    clip_grad=None)
# half-period cosine; no warm-up in fine-tuning: no code for it is released
param_scheduler = [
    dict(
        type='CosineAnnealingLR',
        eta_min=0,
        begin=0,
        end=30,
        convert_to_iter_based=True)
]

auto_scale_lr = dict(base_batch_size=16)

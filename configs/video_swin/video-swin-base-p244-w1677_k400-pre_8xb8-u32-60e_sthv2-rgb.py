# Video Swin-B on Something-Something V2 from Kinetics-400: 69.6 top-1 in 1 × 3 views in the paper (table 3).
# Numbers are those of section 4.1; what it takes from MViT stands in the base of the data.
_base_ = [
    '../_base_/models/video_swin_base.py',
    '../_base_/datasets/sthv2_mvit.py',
    '../_base_/schedules/adamw_30e_video-swin.py',
    '../_base_/default_runtime.py'
]

# from ImageNet-21K rather than -1K: paper silent
pretrained = 'work_dirs/video-swin-base-p244-w877_in21k-pre_8xb8-32x2x1-30e_kinetics400-rgb/epoch_30.pth'

model = dict(
    backbone=dict(
        # relative positions are resized as the file is loaded
        window_size=(16, 7, 7),
        drop_path_rate=0.4,
        init_cfg=dict(checkpoint=pretrained)),
    cls_head=dict(
        num_classes=174,
        label_smooth_eps=0.1))  # MViT's

# one frame from each of 32 segments, as MViT: paper silent
clip = dict(clip_len=32)
train_pipeline = _base_.train_pipeline
val_pipeline = _base_.val_pipeline
test_pipeline = _base_.test_pipeline
train_pipeline[1].update(clip)
val_pipeline[1].update(clip)
test_pipeline[1].update(clip)
# crops as high as the frame, as for Kinetics
test_pipeline[3].update(scale=(-1, 224))
train_dataloader = dict(dataset=dict(pipeline=train_pipeline))
val_dataloader = dict(dataset=dict(pipeline=val_pipeline))
test_dataloader = dict(dataset=dict(pipeline=test_pipeline))

train_cfg = dict(max_epochs=60)
optim_wrapper = dict(optimizer=dict(weight_decay=0.05))
param_scheduler = [
    dict(
        type='LinearLR',
        start_factor=0.1,
        begin=0,
        end=2.5,
        convert_to_iter_based=True),
    dict(
        type='CosineAnnealingLR',
        eta_min=0,
        begin=2.5,
        end=60,
        convert_to_iter_based=True)
]

# MViTv2-L 40×3 at 312² on AVA v2.2 from ImageNet-21K and Kinetics-700: 33.5 mAP in the paper (mvitv2, table A.2).
_base_ = 'mvit-base-p244_k400-pre_64xb8-16x4x1-30e_ava22-rgb.py'

pretrained = 'work_dirs/mvitv2-large-p244_k700-16x4-pre_64xb2-40x3x1-30e_kinetics700-rgb-312px/epoch_30.pth'

model = dict(
    backbone=dict(
        arch='v2_large',
        input_size=(40, 312, 312),
        # as the model of Kinetics
        with_cls_token=True,
        residual_pooling='all',
        init_cfg=dict(checkpoint=pretrained)),
    roi_head=dict(bbox_head=dict(in_channels=1152)))

clip = dict(clip_len=40, frame_interval=3)
train_pipeline = _base_.train_pipeline
test_pipeline = _base_.test_pipeline
train_pipeline[0].update(clip)
test_pipeline[0].update(clip)
# RandomRescale, RandomCrop; Resize, CenterCrop. To 312 as 256 to 320 are to 224: paper silent
train_pipeline[2].update(scale_range=(356, 446))
train_pipeline[3].update(size=312)
test_pipeline[3].update(scale=(-1, 312))
test_pipeline[4].update(crop_size=312)
train_dataloader = dict(dataset=dict(pipeline=train_pipeline))
val_dataloader = dict(dataset=dict(pipeline=test_pipeline))
test_dataloader = dict(dataset=dict(pipeline=test_pipeline))

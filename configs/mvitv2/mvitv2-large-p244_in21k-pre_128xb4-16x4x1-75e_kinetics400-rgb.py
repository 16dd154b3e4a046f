# MViTv2-L 16×4 on Kinetics-400 from ImageNet-21K (B.4, "Fine-tuning from ImageNet"): where MViTv2-L
# 40×3 starts from.
_base_ = 'mvitv2-base-p244_in21k-pre_128xb4-32x3x1-75e_kinetics400-rgb.py'

model = dict(
    backbone=dict(
        arch='v2_large',
        input_size=(16, 224, 224),
        # of MViTv2-L on video the paper is silent: this is mmaction2's
        drop_path_rate=0.75,
        init_cfg=dict(
            checkpoint='https://dl.fbaipublicfiles.com/mvit/mvitv2_models/MViTv2_L_in21k.pyth')),
    cls_head=dict(in_channels=1152))

clip = dict(clip_len=16, frame_interval=4)
train_pipeline = _base_.train_pipeline
val_pipeline = _base_.val_pipeline
test_pipeline = _base_.test_pipeline
train_pipeline[1].update(clip)
val_pipeline[1].update(clip)
test_pipeline[1].update(clip)
train_dataloader = dict(dataset=dict(pipeline=train_pipeline))
val_dataloader = dict(dataset=dict(pipeline=val_pipeline))
test_dataloader = dict(dataset=dict(pipeline=test_pipeline))

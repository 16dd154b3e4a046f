# MViT-B-16 on images of 224² pixels (mvit, table 17), with the regularization of D.5.
model = dict(
    type='ImageClassifier',
    backbone=dict(
        type='mmhvt.MViT',
        arch='base',
        input_size=(224, 224),
        drop_path_rate=0.1),
    head=dict(
        type='LinearClsHead',
        num_classes=1000,
        in_channels=768,
        loss=dict(
            type='LabelSmoothLoss',
            label_smooth_val=0.1,
            # (1 − 0.1) · blend + 0.1 / 1000: SlowFast slowfast/datasets/mixup.py
            mode='original'),
        # truncated normal: D.5; its deviation, and the bias: SlowFast slowfast/models/video_model_builder.py
        init_cfg=dict(type='TruncNormal', layer='Linear', std=0.02, bias=0.02)),
    # mixup for half of the images in a batch, CutMix for the other half
    train_cfg=dict(
        augments=dict(
            type='mmhvt.models.MixupCutmix',
            mixup_alpha=0.8,
            # SlowFast configs/ImageNet/MVIT_B_16_CONV.yaml
            cutmix_alpha=1.0)))

# MViT-B on clips of 16 frames of 224² pixels (mvit, tables 2 and 4), with the regularization of
# training from scratch on Kinetics (appendix D.1).
model = dict(
    type='Recognizer3D',
    data_preprocessor=dict(
        type='ActionDataPreprocessor',
        # 255 · 0.45 and 255 · 0.225: SlowFast slowfast/config/defaults.py
        mean=[114.75, 114.75, 114.75],
        std=[57.375, 57.375, 57.375],
        format_shape='NCTHW',
        # mixup for half of the clips in a batch, CutMix for the other half
        blending=dict(
            type='mmhvt.MixupCutmix',
            mixup_alpha=0.8,
            # SlowFast configs/Kinetics/MVIT_B_16x4_CONV.yaml
            cutmix_alpha=1.0)),
    backbone=dict(
        type='mmhvt.MViT',
        arch='base',
        input_size=(16, 224, 224),
        drop_path_rate=0.2),
    cls_head=dict(
        type='mmhvt.RecognitionHead',
        num_classes=400,
        in_channels=768,
        dropout_ratio=0.5,
        label_smooth_eps=0.1,
        # initialized like the backbone: SlowFast slowfast/models/video_model_builder.py
        init_scale=1.0,
        average_clips='prob'))

# An SMViT that learns motion from scratch in minutes on a CPU, on clips of 8 frames of 32² pixels.
model = dict(
    type='Recognizer3D',
    data_preprocessor=dict(
        type='ActionDataPreprocessor',
        mean=[114.75, 114.75, 114.75],
        std=[57.375, 57.375, 57.375],
        format_shape='NCTHW'),
    backbone=dict(
        type='mmhvt.SMViT',
        arch=dict(embed_dims=48, num_heads=1, depths=(1, 1, 2, 1)),
        input_size=(8, 32, 32),
        # the paper's initialisation is made for long masked pre-training; from scratch and in a
        # few epochs it stays at chance
        init_cfg=dict(type='Xavier', layer='Linear', distribution='uniform')),
    cls_head=dict(
        type='mmhvt.RecognitionHead',
        num_classes=8,
        in_channels=384,
        init_scale=1.0,
        average_clips='prob'))

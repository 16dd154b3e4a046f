# SMViT-B on clips of 16 frames of 224² pixels (table 2, section 5).
model = dict(
    type='Recognizer3D',
    data_preprocessor=dict(
        type='ActionDataPreprocessor',
        # 255 · 0.45 and 255 · 0.225: SlowFast slowfast/config/defaults.py
        mean=[114.75, 114.75, 114.75],
        std=[57.375, 57.375, 57.375],
        format_shape='NCTHW'),
    backbone=dict(
        type='mmhvt.SMViT',
        arch='base',
        input_size=(16, 224, 224)),
    cls_head=dict(
        type='mmhvt.RecognitionHead',
        num_classes=400,
        in_channels=768,
        average_clips='prob'))

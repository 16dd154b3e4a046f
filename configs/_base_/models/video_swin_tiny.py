# Video Swin-T on clips of 32 frames of 224² pixels (video_swin, sections 3.3 and 4.1), from Swin-T of
# ImageNet-1K.
model = dict(
    type='Recognizer3D',
    data_preprocessor=dict(
        type='ActionDataPreprocessor',
        # those of the image weights: Video-Swin-Transformer configs/recognition/swin
        mean=[123.675, 116.28, 103.53],
        std=[58.395, 57.12, 57.375],
        format_shape='NCTHW'),
    backbone=dict(
        type='mmhvt.VideoSwin',
        arch='tiny',
        input_size=(32, 224, 224),
        window_size=(8, 7, 7),
        drop_path_rate=0.1,
        # weights of images are inflated as the file is loaded (section 3.4)
        init_cfg=dict(
            type='Pretrained',
            checkpoint=('https://github.com/SwinTransformer/storage/releases/download/v1.0.0/'
                        'swin_tiny_patch4_window7_224.pth'))),
    cls_head=dict(
        type='mmhvt.RecognitionHead',
        num_classes=400,
        in_channels=768,
        # Video-Swin-Transformer configs/_base_/models/swin/swin_tiny.py, whose I3DHead has this deviation
        dropout_ratio=0.5,
        init_cfg=dict(type='Normal', layer='Linear', std=0.01),
        average_clips='prob'))

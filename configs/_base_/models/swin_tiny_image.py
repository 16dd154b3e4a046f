# Swin-T on images of 224² pixels, with the regularization of configs/_base_/models/swin_transformer/tiny_224.py of
# mmpretrain.
model = dict(
    type='ImageClassifier',
    backbone=dict(
        type='mmhvt.VideoSwin',
        arch='tiny',
        input_size=(224, 224),
        drop_path_rate=0.2),
    head=dict(
        type='LinearClsHead',
        num_classes=1000,
        in_channels=768,
        loss=dict(
            type='LabelSmoothLoss',
            label_smooth_val=0.1,
            mode='original'),
        init_cfg=dict(type='TruncNormal', layer='Linear', std=0.02)),
    train_cfg=dict(
        augments=[
            dict(type='Mixup', alpha=0.8),
            dict(type='CutMix', alpha=1.0)
        ]))

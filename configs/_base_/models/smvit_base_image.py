# SMViT-B on images of 224² pixels (table 2), with the regularization of table A1(b).
model = dict(
    type='ImageClassifier',
    backbone=dict(
        type='mmhvt.SMViT',
        arch='base',
        input_size=(224, 224),
        drop_path_rate=0.2),
    head=dict(
        type='LinearClsHead',
        num_classes=1000,
        in_channels=768,
        loss=dict(
            type='LabelSmoothLoss',
            label_smooth_val=0.1,
            # (1 − 0.1) · blend + 0.1 / classes: paper silent
            mode='original'),
        # the first predictions are nearly uniform, as the public code begins: paper silent
        init_cfg=dict(type='TruncNormal', layer='Linear', std=2e-5)),
    train_cfg=dict(
        # one or the other, with equal probability: paper silent
        augments=[
            dict(type='Mixup', alpha=0.8),
            dict(type='CutMix', alpha=1.0)
        ]))

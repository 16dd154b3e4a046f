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
            # (1 − 0.1) · blend + 0.1 / classes: mae main_finetune.py
            mode='original'),
        # the first predictions are nearly uniform: mae main_finetune.py
        init_cfg=dict(type='TruncNormal', layer='Linear', std=2e-5)),
    train_cfg=dict(
        # one or the other, with equal probability: mae main_finetune.py
        augments=[
            dict(type='Mixup', alpha=0.8),
            dict(type='CutMix', alpha=1.0)
        ]))

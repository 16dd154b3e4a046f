# SMViT-B on clips of 16 frames of 224² pixels, with the regularization of fine-tuning on Kinetics (table 11(b)).
_base_ = 'smvit_base.py'

model = dict(
    data_preprocessor=dict(
        blending=dict(
            # one or the other, with equal probability: SlowFast configs/masked_ssl/k400_VIT_L_16x4_FT.yaml
            type='RandomBatchAugment',
            augments=[
                dict(type='MixupBlending', alpha=0.8, num_classes=None),
                dict(type='CutmixBlending', alpha=1.0, num_classes=None)
            ])),
    backbone=dict(drop_path_rate=0.2),
    cls_head=dict(
        dropout_ratio=0.3,
        label_smooth_eps=0.1))

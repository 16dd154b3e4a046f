# MViT-B on clips of 16 frames of Charades (mvit, D.3).
_base_ = 'mvit_base.py'

model = dict(
    # "the same data augmentation schemes as for Kinetics, except of using Mixup": read as the switch
    # of PySlowFast, which is for CutMix too
    data_preprocessor=dict(blending=None),
    backbone=dict(drop_path_rate=0.45),
    # a sigmoid for each class; the largest score over the views
    cls_head=dict(
        _delete_=True,
        type='mmhvt.MultiLabelHead',
        num_classes=157,
        in_channels=768,
        dropout_ratio=0.5,
        init_scale=1.0))

# What follows a backbone on AVA (mvit, D.2; mvitv2, B.6; smvit, A.1): frame-wise RoIAlign, mean over time, maximum over
# space, a linear layer and a sigmoid for each class.
model = dict(
    type='mmhvt.ActionDetector',
    _scope_='mmdet',
    data_preprocessor=dict(
        type='mmaction.ActionDataPreprocessor',
        # as for Kinetics: 255 · 0.45 and 255 · 0.225
        mean=[114.75, 114.75, 114.75],
        std=[57.375, 57.375, 57.375],
        format_shape='NCTHW'),
    # its type is the recipe's; the stride of the features is taken from it
    backbone=dict(out_type='featmap'),
    roi_head=dict(
        type='AVARoIHead',
        bbox_roi_extractor=dict(
            type='SingleRoIExtractor3D',
            # SlowFast slowfast/config/defaults.py
            output_size=7),
        bbox_head=dict(
            type='BBoxHeadAVA',
            # class 0 stays unused: AVA counts its 80 from 1
            background_class=True,
            num_classes=81,
            in_channels=768,
            # Binary cross-entropy of each class. SMViT's "linear classifier trained with cross entropy" is read as
            # this, too: actors do several things at once, the framework that it follows (smvit, A.1) has sigmoids, and
            # a learning rate of 3.6 fits a loss that is the mean over 80 classes.
            multilabel=True,
            # SMViT's table 13 and SlowFast slowfast/config/defaults.py; after the pooling, as in its
            # slowfast/models/head_helper.py
            dropout_ratio=0.5,
            dropout_before_pool=False)),
    train_cfg=dict(
        rcnn=dict(
            # "Ground-truth boxes, and proposals overlapping with ground-truth boxes by IoU > 0.9" (mvit, D.2)
            assigner=dict(
                type='MaxIoUAssignerAVA',
                pos_iou_thr=0.9,
                neg_iou_thr=0.9,
                min_pos_iou=0.9),
            # all of them, except in crowds, as in mmaction2's SlowFast. Negatives have no part in the loss.
            sampler=dict(
                type='RandomSampler',
                num=32,
                pos_fraction=1,
                neg_pos_ub=-1,
                add_gt_as_proposals=True),
            pos_weight=1.0)),
    test_cfg=dict(rcnn=None))

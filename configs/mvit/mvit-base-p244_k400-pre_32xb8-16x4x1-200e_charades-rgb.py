# MViT-B 16×4 on Charades from Kinetics-400: 40.0 mAP in 3 × 10 views in the paper (table 7).
# Numbers are those of D.3; the rest is as for Kinetics (D.1).
_base_ = [
    '../_base_/models/mvit_base.py',
    '../_base_/datasets/charades_mvit.py',
    '../_base_/schedules/sgd_100e_sthv2.py',
    '../_base_/default_runtime.py'
]

pretrained = 'work_dirs/mvit-base-p244_128xb4-16x4x1-200e_kinetics400-rgb/epoch_200.pth'

model = dict(
    # "the same data augmentation schemes as for Kinetics, except of using Mixup": read as the switch
    # of PySlowFast, which is for CutMix too
    data_preprocessor=dict(blending=None),
    backbone=dict(
        drop_path_rate=0.45,
        init_cfg=dict(type='Pretrained', checkpoint=pretrained)),
    # a sigmoid for each class; the largest score over the views
    cls_head=dict(
        _delete_=True,
        type='mmhvt.MultiLabelHead',
        num_classes=157,
        in_channels=768,
        dropout_ratio=0.5,
        init_scale=1.0))

train_cfg = dict(max_epochs=200)
optim_wrapper = dict(
    optimizer=dict(
        lr=0.6,  # for 256 clips
        weight_decay=1e-7))
# no warm-up: paper silent
param_scheduler = [
    dict(
        type='CosineAnnealingLR',
        eta_min=0,
        begin=0,
        end=200,
        convert_to_iter_based=True)
]

auto_scale_lr = dict(base_batch_size=256)

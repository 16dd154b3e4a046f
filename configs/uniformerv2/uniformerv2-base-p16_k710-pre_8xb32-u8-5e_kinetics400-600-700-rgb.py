# UniFormerV2-B/16 on Kinetics-400, -600 and -700 at once from Kinetics-710, with a classifier for each, 8
# frames: 85.6, 86.3 and 76.1 top-1 in 3 × 4 views in the paper (table 9e).
_base_ = [
    '../_base_/models/uniformerv2_base.py',
    '../_base_/datasets/kinetics400-600-700.py',
    '../_base_/schedules/adamw_5e_uniformerv2.py',
    '../_base_/default_runtime.py'
]

# the classifier is loaded, too: its rows are found by the names of the classes (appendix F)
pretrained = 'work_dirs/uniformerv2-base-p16_clip-pre_16xb32-u8-55e_kinetics710-rgb/epoch_55.pth'

head = dict(
    type='mmhvt.RecognitionHead',
    in_channels=768,
    dropout_ratio=0.5,
    init_scale=1.0,
    average_clips='prob',
    init_cfg=dict(type='Pretrained', checkpoint=pretrained))

model = dict(
    backbone=dict(init_cfg=dict(checkpoint=pretrained)),
    cls_head=dict(
        _delete_=True,
        type='mmhvt.CoTrainingHead',
        heads=dict(
            k400=dict(num_classes=400, labels='k710->k400', **head),
            k600=dict(num_classes=600, labels='k710->k600', **head),
            k700=dict(num_classes=700, labels='k710->k700', **head))))

train_dataloader = dict(batch_size=32)  # 256 clips in all with 8 GPUs

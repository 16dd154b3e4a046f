# MViTv2-S 16×4 on AVA v2.2 from Kinetics-400: 26.8 mAP in the paper (mvitv2, table A.2). "The training recipe is
# identical to" MViT's (B.6).
_base_ = [
    '../_base_/models/action_detector.py',
    '../_base_/datasets/ava22.py',
    '../_base_/schedules/sgd_30e_ava.py',
    '../_base_/default_runtime_ava.py'
]

pretrained = 'work_dirs/mvitv2-small-p244_128xb4-16x4x1-200e_kinetics400-rgb/epoch_200.pth'

model = dict(
    backbone=dict(
        type='mmhvt.MViT',
        arch='v2_small',
        input_size=(16, 224, 224),
        drop_path_rate=0.4,
        init_cfg=dict(type='Pretrained', checkpoint=pretrained)))

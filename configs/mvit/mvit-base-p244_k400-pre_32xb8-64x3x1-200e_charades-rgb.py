# MViT-B 64×3 on Charades from Kinetics-400: 46.3 mAP in 3 × 10 views in the paper (table 7).
_base_ = [
    '../_base_/models/mvit_base_charades.py',
    '../_base_/datasets/charades.py',
    '../_base_/pipelines/mvit_charades.py',
    '../_base_/schedules/sgd_200e_charades.py',
    '../_base_/default_runtime.py'
]

pretrained = 'work_dirs/mvit-base-p244_k400-32x3-pre_64xb2-64x3x1-5e_kinetics400-rgb/epoch_5.pth'

model = dict(
    backbone=dict(
        input_size=(64, 224, 224),
        init_cfg=dict(type='Pretrained', checkpoint=pretrained)),
    # of the 30 views of a video at a time; for batches of one video
    test_cfg=dict(max_testing_views=3))

clip = dict(_base_.clip, clip_len=64, frame_interval=3)
train_pipeline = [
    dict(type='mmhvt.DecordInit'),
    dict(num_clips=1, **clip),
    dict(type='DecordDecode'), *_base_.augment
]
val_pipeline = [
    dict(type='mmhvt.DecordInit'),
    dict(num_clips=1, test_mode=True, **clip),
    dict(type='DecordDecode'), *_base_.center_crop
]
# 3 spatial × 10 temporal views (table 7)
test_pipeline = [
    dict(type='mmhvt.DecordInit'),
    dict(num_clips=10, test_mode=True, **clip),
    dict(type='DecordDecode'), *_base_.three_crops
]
train_dataloader = dict(
    batch_size=8,  # 256 in all with 32 GPUs
    dataset=dict(pipeline=train_pipeline))
val_dataloader = dict(batch_size=1, dataset=dict(pipeline=val_pipeline))
test_dataloader = dict(dataset=dict(pipeline=test_pipeline))

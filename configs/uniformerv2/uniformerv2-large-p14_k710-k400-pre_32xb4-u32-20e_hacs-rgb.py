# UniFormerV2-L/14 on HACS from Kinetics-710, then Kinetics-400, 32 frames: 95.4 top-1 in 3 × 10 views
# in the paper (table 19).
_base_ = [
    '../_base_/models/uniformerv2_large.py',
    '../_base_/datasets/hacs.py',
    '../_base_/pipelines/uniformerv2_u32.py',
    '../_base_/schedules/adamw_20e_uniformerv2-large.py',
    '../_base_/default_runtime.py'
]

# that of as many frames: UniFormerV2 exp/hacs/hacs_l14_32x224/config.yaml
pretrained = 'work_dirs/uniformerv2-large-p14_k710-pre_64xb4-u32-5e_kinetics400-rgb/epoch_5.pth'

model = dict(
    backbone=dict(
        input_size=(32, 224, 224),
        drop_path_rate=0.2,
        global_drop_path_rate=0.4,
        with_cp=True,  # UniFormerV2 exp/hacs/hacs_l14_32x224/config.yaml
        init_cfg=dict(checkpoint=pretrained)),
    cls_head=dict(num_classes=200))

# 3 crops of each of 10 clips (table 19)
test_pipeline = [
    dict(type='mmhvt.DecordInit'),
    dict(num_clips=10, test_mode=True, **_base_.clip),
    dict(type='DecordDecode'), *_base_.three_crops
]
train_dataloader = dict(
    batch_size=2,  # segments, 4 clips a GPU: 64 segments in all with 32 GPUs
    dataset=dict(pipeline=_base_.train_pipeline))
val_dataloader = dict(dataset=dict(pipeline=_base_.val_pipeline))
test_dataloader = dict(dataset=dict(pipeline=test_pipeline))

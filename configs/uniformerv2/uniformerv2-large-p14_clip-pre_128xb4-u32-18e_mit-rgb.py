# UniFormerV2-L/14 on Moments in Time from CLIP, 32 frames: 46.4 top-1 in 3 × 4 views in the paper
# (table 17).
_base_ = [
    '../_base_/models/uniformerv2_large.py',
    '../_base_/datasets/mit.py',
    '../_base_/pipelines/uniformerv2_u32.py',
    '../_base_/schedules/adamw_18e_uniformerv2-large.py',
    '../_base_/default_runtime.py'
]

model = dict(
    backbone=dict(input_size=(32, 224, 224)),
    cls_head=dict(num_classes=339))

# 3 crops of each of 4 clips (table 17)
test_pipeline = [
    dict(type='mmhvt.DecordInit'),
    dict(num_clips=4, test_mode=True, **_base_.clip),
    dict(type='DecordDecode'), *_base_.three_crops
]
train_dataloader = dict(
    batch_size=4,  # 512 clips in all with 128 GPUs
    dataset=dict(pipeline=_base_.train_pipeline))
val_dataloader = dict(dataset=dict(pipeline=_base_.val_pipeline))
test_dataloader = dict(dataset=dict(pipeline=test_pipeline))

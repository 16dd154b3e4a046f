# UniFormerV2-L/14 with a frozen backbone on Kinetics-700 from CLIP, 8 frames of 336²: 79.6 top-1 in 1 ×
# 3 views in the paper (table 16).
_base_ = [
    '../_base_/models/uniformerv2_large_336px.py',
    '../_base_/datasets/kinetics700_uniformerv2_336px.py',
    '../_base_/schedules/adamw_40e_uniformerv2-frozen.py',
    '../_base_/default_runtime.py'
]

model = dict(
    backbone=dict(frozen=True),
    cls_head=dict(num_classes=700))

# a crop of each of 3 clips (table 16)
test_pipeline = _base_.test_pipeline
test_pipeline[1].update(num_clips=3)
test_pipeline[4].update(type='CenterCrop')
test_dataloader = dict(dataset=dict(pipeline=test_pipeline))

train_dataloader = dict(batch_size=16)  # 512 clips in all with 32 GPUs

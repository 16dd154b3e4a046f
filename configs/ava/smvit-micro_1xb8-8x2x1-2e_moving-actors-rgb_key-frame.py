# The model of smvit-micro_1xb8-8x2x1-2e_moving-actors-rgb.py, trained and tested on clips that repeat their key frame:
# what does a still image show of an action?
_base_ = [
    '../_base_/models/action_detector.py',
    '../_base_/datasets/moving_actors.py',
    '../_base_/schedules/adamw_5e_micro.py',
    '../_base_/default_runtime_ava.py'
]

model = dict(
    backbone=dict(
        type='mmhvt.SMViT',
        arch=dict(embed_dims=48, num_heads=1, depths=(1, 1, 2, 1)),
        input_size=(8, 96, 96),
        # the last stage keeps its resolution, a token for 16 pixels: actors are small
        q_pool=2,
        init_cfg=dict(type='Xavier', layer='Linear', distribution='uniform')),
    roi_head=dict(
        bbox_roi_extractor=dict(output_size=4),
        bbox_head=dict(
            in_channels=384,
            num_classes=9,
            dropout_ratio=0.0)))

train_pipeline = [
    dict(type='mmhvt.DecordInit'),
    _base_.clip,
    dict(type='mmhvt.RepeatKeyFrame'),
    dict(type='DecordDecode'),
    dict(type='FormatShape', input_format='NCTHW', collapse=True),
    dict(type='PackActionInputs')
]
test_pipeline = train_pipeline
train_dataloader = dict(dataset=dict(pipeline=train_pipeline))
val_dataloader = dict(dataset=dict(pipeline=test_pipeline))
test_dataloader = dict(dataset=dict(pipeline=test_pipeline))

train_cfg = dict(max_epochs=2, val_interval=2)
param_scheduler = [dict(_base_.one_cycle, end=2, total_steps=2)]
auto_scale_lr = dict(base_batch_size=8)

# several processes on CPU too: bash tools/dist_train.sh CONFIG 2
env_cfg = dict(dist_cfg=dict(backend='gloo'))
default_hooks = dict(
    checkpoint=dict(max_keep_ckpts=1),
    logger=dict(interval=50))
randomness = dict(seed=0)

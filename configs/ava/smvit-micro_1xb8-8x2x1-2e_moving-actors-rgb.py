# The smallest SMViT on generated videos: what `make demo-ava` trains.
_base_ = [
    '../_base_/datasets/moving_actors.py',
    '../_base_/default_runtime.py'
]
# detectors need mmdet
custom_imports = dict(
    imports=['mmhvt', 'mmhvt.models.detectors'], allow_failed_imports=False)

model = dict(
    type='mmhvt.ActionDetector',
    _scope_='mmdet',
    data_preprocessor=dict(
        type='mmaction.ActionDataPreprocessor',
        mean=[114.75, 114.75, 114.75],
        std=[57.375, 57.375, 57.375],
        format_shape='NCTHW'),
    backbone=dict(
        type='mmhvt.SMViT',
        arch=dict(embed_dims=48, num_heads=1, depths=(1, 1, 2, 1)),
        input_size=(8, 96, 96),
        # the last stage keeps its resolution, a token for 16 pixels: actors are small
        q_pool=2,
        out_type='featmap',
        init_cfg=dict(type='Xavier', layer='Linear', distribution='uniform')),
    roi_head=dict(
        type='AVARoIHead',
        bbox_roi_extractor=dict(type='SingleRoIExtractor3D', output_size=4),
        bbox_head=dict(
            type='BBoxHeadAVA',
            background_class=True,
            in_channels=384,
            num_classes=9,
            multilabel=True)),
    train_cfg=dict(
        rcnn=dict(
            # ground truth and proposals that overlap it by more than 0.9
            assigner=dict(
                type='MaxIoUAssignerAVA',
                pos_iou_thr=0.9,
                neg_iou_thr=0.9,
                min_pos_iou=0.9),
            sampler=dict(
                type='RandomSampler',
                num=32,
                pos_fraction=1,
                neg_pos_ub=-1,
                add_gt_as_proposals=True),
            pos_weight=1.0)),
    test_cfg=dict(rcnn=None))

train_cfg = dict(type='EpochBasedTrainLoop', max_epochs=2, val_interval=2)
val_cfg = dict(type='ValLoop')
test_cfg = dict(type='TestLoop')

optim_wrapper = dict(
    type='OptimWrapper',
    optimizer=dict(type='AdamW', lr=2e-3, weight_decay=0.05),
    clip_grad=dict(max_norm=1))
param_scheduler = [
    dict(
        type='OneCycleLR',
        eta_max=2e-3,
        pct_start=0.3,
        by_epoch=True,
        begin=0,
        end=2,
        total_steps=2,
        convert_to_iter_based=True)
]

# several processes on CPU too: bash tools/dist_train.sh CONFIG 2
env_cfg = dict(dist_cfg=dict(backend='gloo'))
default_hooks = dict(
    checkpoint=dict(max_keep_ckpts=1),
    logger=dict(interval=50))
randomness = dict(seed=0)

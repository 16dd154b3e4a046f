# The smallest SMViT as detector of generated shapes: what `make demo-coco` trains.
_base_ = [
    '../_base_/models/mask-rcnn_smvit_fpn.py',
    '../_base_/datasets/shapes_coco.py',
    '../_base_/default_runtime_det.py'
]

# FPN and heads of the paper's form, at a width that trains in minutes on a CPU
width = 32
model = dict(
    data_preprocessor=dict(pad_size_divisor=32),
    backbone=dict(
        arch=dict(_delete_=True, embed_dims=48, num_heads=1, depths=(1, 1, 2, 1)),
        input_size=(160, 160),
        drop_path_rate=0.0,
        # the paper's initialization is made for long masked pre-training
        init_cfg=dict(
            _delete_=True,
            type='Xavier',
            layer='Linear',
            distribution='uniform')),
    neck=dict(in_channels=[48, 96, 192, 384], out_channels=width, num_outs=4),
    rpn_head=dict(
        # without norms: what the README's figures were measured with
        type='RPNHead',
        in_channels=width,
        feat_channels=width,
        # 12, 24, 48 and 96 pixels
        anchor_generator=dict(scales=[3], strides=[4, 8, 16, 32])),
    roi_head=dict(
        bbox_roi_extractor=dict(out_channels=width),
        bbox_head=dict(
            in_channels=width,
            conv_out_channels=width,
            fc_out_channels=128,
            num_classes=5,
            reg_class_agnostic=True),
        mask_roi_extractor=dict(out_channels=width),
        mask_head=dict(
            in_channels=width, conv_out_channels=width, num_classes=5)),
    train_cfg=dict(
        rpn=dict(
            # crowds are neither objects nor background
            assigner=dict(ignore_iof_thr=0.5),
            sampler=dict(num=128)),
        rpn_proposal=dict(nms_pre=500, max_per_img=200),
        rcnn=dict(
            assigner=dict(ignore_iof_thr=0.5),
            sampler=dict(num=32, pos_fraction=0.5))),
    test_cfg=dict(
        rpn=dict(nms_pre=500, max_per_img=200),
        rcnn=dict(max_per_img=50)))

max_epochs = 8
train_cfg = dict(
    type='EpochBasedTrainLoop', max_epochs=max_epochs, val_interval=2)
val_cfg = dict(type='ValLoop')
test_cfg = dict(type='TestLoop')

optim_wrapper = dict(
    type='OptimWrapper',
    optimizer=dict(type='AdamW', lr=1e-3, weight_decay=0.05),
    clip_grad=dict(max_norm=1))
param_scheduler = [
    dict(
        type='OneCycleLR',
        eta_max=1e-3,
        pct_start=0.2,
        by_epoch=True,
        begin=0,
        end=max_epochs,
        total_steps=max_epochs,
        convert_to_iter_based=True)
]
auto_scale_lr = dict(enable=False, base_batch_size=4)

# several processes on CPU too: bash tools/dist_train.sh CONFIG 2
env_cfg = dict(dist_cfg=dict(backend='gloo'))
default_hooks = dict(checkpoint=dict(max_keep_ckpts=1))
randomness = dict(seed=0)

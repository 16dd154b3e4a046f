# MViTv2-L 40×3 on Kinetics-600 at 312², from 16×4 at 224²: all as for Kinetics-400 (B.4).
_base_ = [
    '../_base_/models/mvitv2_small.py',
    '../_base_/datasets/kinetics600.py',
    '../_base_/pipelines/mvit_40x3_312px.py',
    '../_base_/schedules/adamw_200e_kinetics.py',
    '../_base_/default_runtime.py'
]

pretrained = 'work_dirs/mvitv2-large-p244_in21k-pre_128xb4-16x4x1-75e_kinetics600-rgb/epoch_75.pth'

model = dict(
    # mixup is disabled, and with it CutMix, as by PySlowFast's switch
    data_preprocessor=dict(blending=None),
    backbone=dict(
        arch='v2_large',
        input_size=(40, 312, 312),
        # the public weights have one, and add its query to it
        with_cls_token=True,
        residual_pooling='all',
        # of MViTv2-L on video the paper is silent: this is mmaction2's
        drop_path_rate=0.75,
        init_cfg=dict(type='Pretrained', checkpoint=pretrained)),
    # the classifier goes on from the file too
    cls_head=dict(
        num_classes=600,
        in_channels=1152,
        init_cfg=dict(type='Pretrained', checkpoint=pretrained, prefix='cls_head.')))

train_dataloader = dict(
    batch_size=1,  # video, 2 clips a GPU: 128 in all with 64 GPUs
    dataset=dict(
        num_repeats=2,  # repeated augmentation: B.4
        pipeline=_base_.train_pipeline))
val_dataloader = dict(dataset=dict(pipeline=_base_.val_pipeline))
test_dataloader = dict(dataset=dict(pipeline=_base_.test_pipeline))

train_cfg = dict(max_epochs=30)
optim_wrapper = dict(
    optimizer=dict(
        lr=1.6e-5,  # for 128 clips
        weight_decay=1e-8))
# no warm-up: paper silent
param_scheduler = [
    dict(
        type='CosineAnnealingLR',
        eta_min=0,
        begin=0,
        end=30,
        convert_to_iter_based=True)
]

auto_scale_lr = dict(base_batch_size=64)

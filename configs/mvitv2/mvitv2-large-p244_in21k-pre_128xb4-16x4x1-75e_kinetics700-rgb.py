# MViTv2-L 16×4 on Kinetics-700 from ImageNet-21K: all as for Kinetics-400 (B.4).
_base_ = [
    '../_base_/models/mvitv2_small.py',
    '../_base_/datasets/kinetics700.py',
    '../_base_/pipelines/mvit.py',
    '../_base_/schedules/adamw_200e_kinetics.py',
    '../_base_/default_runtime.py'
]

model = dict(
    backbone=dict(
        arch='v2_large',
        # the public weights have one, and add its query to it
        with_cls_token=True,
        residual_pooling='all',
        # of MViTv2-L on video the paper is silent: this is mmaction2's
        drop_path_rate=0.75,
        init_cfg=dict(
            type='Pretrained',
            checkpoint='https://dl.fbaipublicfiles.com/mvit/mvitv2_models/MViTv2_L_in21k.pyth')),
    cls_head=dict(
        num_classes=700,
        in_channels=1152))

train_dataloader = dict(
    batch_size=2,  # videos, 4 clips a GPU: 512 in all with 128 GPUs
    dataset=dict(
        num_repeats=2,  # repeated augmentation: B.4
        pipeline=_base_.train_pipeline))
val_dataloader = dict(dataset=dict(pipeline=_base_.val_pipeline))
test_dataloader = dict(dataset=dict(pipeline=_base_.test_pipeline))

train_cfg = dict(max_epochs=75)
optim_wrapper = dict(optimizer=dict(lr=1.6e-4))  # for 512 clips
# warm-up in proportion to the epochs: paper silent
param_scheduler = [
    dict(_base_.warmup, end=11),
    dict(_base_.cosine, begin=11, end=75)
]

# MViTv2-L 16×4 on Kinetics-700 from ImageNet-21K: all as for Kinetics-400 (B.4).
_base_ = [
    '../_base_/models/mvitv2_large.py',
    '../_base_/datasets/kinetics700.py',
    '../_base_/pipelines/mvit_large.py',
    '../_base_/schedules/adamw_200e_kinetics.py',
    '../_base_/default_runtime.py'
]

model = dict(
    backbone=dict(
        init_cfg=dict(
            type='Pretrained',
            checkpoint='https://dl.fbaipublicfiles.com/mvit/mvitv2_models/MViTv2_L_in21k.pyth')),
    cls_head=dict(num_classes=700))

train_dataloader = dict(
    batch_size=2,  # videos, 4 clips a GPU: 512 in all with 128 GPUs
    dataset=dict(pipeline=_base_.train_pipeline, **_base_.repeats))
val_dataloader = dict(dataset=dict(pipeline=_base_.val_pipeline))
test_dataloader = dict(dataset=dict(pipeline=_base_.test_pipeline))

train_cfg = dict(max_epochs=75)
optim_wrapper = dict(optimizer=dict(lr=1.6e-4))  # for 512 clips
# warm-up in proportion to the epochs: no code for it is released
param_scheduler = [
    dict(_base_.warmup, end=11),
    dict(_base_.cosine, begin=11, end=75)
]

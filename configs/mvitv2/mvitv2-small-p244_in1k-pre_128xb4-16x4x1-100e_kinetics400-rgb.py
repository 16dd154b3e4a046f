# MViTv2-S 16×4 on Kinetics-400 from ImageNet-1K (B.4, "Fine-tuning from ImageNet").
_base_ = [
    '../_base_/models/mvitv2_small.py',
    '../_base_/datasets/kinetics400.py',
    '../_base_/pipelines/mvit.py',
    '../_base_/schedules/adamw_200e_kinetics.py',
    '../_base_/default_runtime.py'
]

model = dict(
    backbone=dict(
        init_cfg=dict(
            type='Pretrained',
            checkpoint='https://dl.fbaipublicfiles.com/mvit/mvitv2_models/MViTv2_S_in1k.pyth')))

train_dataloader = dict(
    batch_size=2,  # videos, 4 clips a GPU: 512 in all with 128 GPUs
    dataset=dict(pipeline=_base_.train_pipeline, **_base_.repeats))
val_dataloader = dict(dataset=dict(pipeline=_base_.val_pipeline))
test_dataloader = dict(dataset=dict(pipeline=_base_.test_pipeline))

train_cfg = dict(max_epochs=100)
optim_wrapper = dict(optimizer=dict(lr=4.8e-4))  # for 512 clips
# warm-up in proportion to the epochs: no code for it is released
param_scheduler = [
    dict(_base_.warmup, end=15),
    dict(_base_.cosine, begin=15, end=100)
]

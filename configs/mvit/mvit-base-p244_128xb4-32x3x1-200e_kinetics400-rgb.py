# MViT-B 32×3 on Kinetics-400 from scratch: 80.2 top-1 in 1 × 5 views in the paper (table 4).
_base_ = [
    '../_base_/models/mvit_base.py',
    '../_base_/datasets/kinetics400.py',
    '../_base_/pipelines/mvit_32x3.py',
    '../_base_/schedules/adamw_200e_kinetics.py',
    '../_base_/default_runtime.py'
]

model = dict(backbone=dict(input_size=(32, 224, 224)))

train_dataloader = dict(
    batch_size=2,  # videos, 4 clips a GPU: 512 in all with 128 GPUs
    dataset=dict(pipeline=_base_.train_pipeline, **_base_.repeats))
val_dataloader = dict(dataset=dict(pipeline=_base_.val_pipeline))
test_dataloader = dict(dataset=dict(pipeline=_base_.test_pipeline))

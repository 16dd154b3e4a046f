# MViTv2-B 32×3 on Kinetics-700 from scratch: all as for Kinetics-400 (B.4).
_base_ = [
    '../_base_/models/mvitv2_small.py',
    '../_base_/datasets/kinetics700.py',
    '../_base_/pipelines/mvit_32x3.py',
    '../_base_/schedules/adamw_200e_kinetics.py',
    '../_base_/default_runtime.py'
]

model = dict(
    backbone=dict(
        arch='v2_base',
        input_size=(32, 224, 224),
        drop_path_rate=0.3),
    cls_head=dict(num_classes=700))

train_dataloader = dict(
    batch_size=2,  # videos, 4 clips a GPU: 512 in all with 128 GPUs
    dataset=dict(pipeline=_base_.train_pipeline, **_base_.repeats))
val_dataloader = dict(dataset=dict(pipeline=_base_.val_pipeline))
test_dataloader = dict(dataset=dict(pipeline=_base_.test_pipeline))

# MViTv2-S 16×4 on Kinetics-400 from scratch: 81.0 top-1 in the paper (table A.6). Numbers are those of
# B.4, and D.1 of MViT, which it follows.
_base_ = [
    '../_base_/models/mvitv2_small.py',
    '../_base_/datasets/kinetics400.py',
    '../_base_/pipelines/mvit.py',
    '../_base_/schedules/adamw_200e_kinetics.py',
    '../_base_/default_runtime.py'
]

train_dataloader = dict(
    batch_size=2,  # videos, 4 clips a GPU: 512 in all with 128 GPUs
    dataset=dict(pipeline=_base_.train_pipeline, **_base_.repeats))
val_dataloader = dict(dataset=dict(pipeline=_base_.val_pipeline))
test_dataloader = dict(dataset=dict(pipeline=_base_.test_pipeline))

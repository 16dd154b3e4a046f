# SMViT-B on Kinetics-400: 84.0 top-1 in 3 × 5 views in the paper (table 4).
# Numbers are table 11(b)'s.
_base_ = [
    '../_base_/models/smvit_base_finetune.py',
    '../_base_/datasets/kinetics400.py',
    '../_base_/pipelines/smvit.py',
    '../_base_/schedules/adamw_layer-decay_150e-repeat2.py',
    '../_base_/default_runtime.py'
]

model = dict(
    backbone=dict(
        # the public weights of 1600 epochs of masked pre-training (table 11(a)), CC BY-NC 4.0
        init_cfg=dict(
            type='Pretrained',
            checkpoint='https://dl.fbaipublicfiles.com/hiera/mae_hiera_base_16x224.pth')))

train_dataloader = dict(
    batch_size=8,  # videos, 16 clips a GPU: 256 in all with 16 GPUs
    dataset=dict(pipeline=_base_.train_pipeline, **_base_.repeats))
val_dataloader = dict(dataset=dict(pipeline=_base_.val_pipeline))
test_dataloader = dict(dataset=dict(pipeline=_base_.test_pipeline))

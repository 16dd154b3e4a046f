# SMViT-L on Kinetics-700: 79.5 top-1 in 3 × 5 views in the paper (table 5).
# All as for Kinetics-400 (table 11(b)).
_base_ = [
    '../_base_/models/smvit_base_finetune.py',
    '../_base_/datasets/kinetics700.py',
    '../_base_/pipelines/smvit.py',
    '../_base_/schedules/adamw_layer-decay_150e-repeat2.py',
    '../_base_/default_runtime.py'
]

# the result of our recipe for masked pre-training; the authors published none
pretrained = 'work_dirs/mae_smvit-large-p244_64xb32-16x4x1-1600e_kinetics700-rgb/epoch_400.pth'

model = dict(
    backbone=dict(
        arch='large',
        init_cfg=dict(type='Pretrained', checkpoint=pretrained)),
    cls_head=dict(
        num_classes=700,
        in_channels=1152,
        dropout_ratio=0.5))

train_dataloader = dict(
    batch_size=4,  # videos, 8 clips a GPU: 256 in all with 32 GPUs
    dataset=dict(pipeline=_base_.train_pipeline, **_base_.repeats))
val_dataloader = dict(dataset=dict(pipeline=_base_.val_pipeline))
test_dataloader = dict(dataset=dict(pipeline=_base_.test_pipeline))

train_cfg = dict(max_epochs=50)  # 100 effective
optim_wrapper = dict(paramwise_cfg=dict(layer_decay_rate=0.9))
param_scheduler = [
    _base_.warmup,
    dict(_base_.cosine, end=50)
]

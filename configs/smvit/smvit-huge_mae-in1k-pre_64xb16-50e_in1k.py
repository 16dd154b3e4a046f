# SMViT-H on ImageNet-1K: 86.9 top-1 in the paper (table 8).
# Numbers are table A1(b)'s.
_base_ = [
    '../_base_/models/smvit_base_image.py',
    '../_base_/datasets/imagenet.py',
    '../_base_/pipelines/smvit_image.py',
    '../_base_/schedules/adamw_layer-decay_50e_imagenet.py',
    '../_base_/default_runtime_image.py'
]

model = dict(
    backbone=dict(
        arch='huge',
        drop_path_rate=0.3,
        # the public weights of masked pre-training, CC BY-NC 4.0
        init_cfg=dict(
            type='Pretrained',
            checkpoint='https://dl.fbaipublicfiles.com/hiera/mae_hiera_huge_224.pth')),
    head=dict(in_channels=2048))

train_dataloader = dict(
    batch_size=16,  # 1024 in all with 64 GPUs
    dataset=dict(pipeline=_base_.train_pipeline))
val_dataloader = dict(dataset=dict(pipeline=_base_.test_pipeline))
test_dataloader = val_dataloader

optim_wrapper = dict(paramwise_cfg=dict(layer_decay_rate=0.85))

# SMViT-T on ImageNet-1K: 82.8 top-1 in the README of the public code. The paper does not have it: all as for SMViT-B in
# table A1(b).
_base_ = [
    '../_base_/models/smvit_base_image.py',
    '../_base_/datasets/imagenet.py',
    '../_base_/pipelines/smvit_image.py',
    '../_base_/schedules/adamw_layer-decay_100e_imagenet.py',
    '../_base_/default_runtime_image.py'
]

model = dict(
    backbone=dict(
        arch='tiny',
        # the public weights of masked pre-training, CC BY-NC 4.0
        init_cfg=dict(
            type='Pretrained',
            checkpoint='https://dl.fbaipublicfiles.com/hiera/mae_hiera_tiny_224.pth')))

train_dataloader = dict(
    batch_size=64,  # 1024 in all with 16 GPUs
    dataset=dict(pipeline=_base_.train_pipeline))
val_dataloader = dict(dataset=dict(pipeline=_base_.test_pipeline))
test_dataloader = val_dataloader

# SMViT-L on ImageNet-1K: 86.1 top-1 in the paper (table 8).
# What differs from SMViT-B in table A1(b).
_base_ = [
    '../_base_/models/smvit_base_image.py',
    '../_base_/datasets/imagenet_smvit.py',
    '../_base_/schedules/adamw_layer-decay_50e_imagenet.py',
    '../_base_/default_runtime_image.py'
]

model = dict(
    backbone=dict(
        arch='large',
        # the public weights of masked pre-training, CC BY-NC 4.0
        init_cfg=dict(
            type='Pretrained',
            checkpoint='https://dl.fbaipublicfiles.com/hiera/mae_hiera_large_224.pth')),
    head=dict(in_channels=1152))

optim_wrapper = dict(paramwise_cfg=dict(layer_decay_rate=0.85))

train_dataloader = dict(batch_size=32)  # 1024 in all with 32 GPUs

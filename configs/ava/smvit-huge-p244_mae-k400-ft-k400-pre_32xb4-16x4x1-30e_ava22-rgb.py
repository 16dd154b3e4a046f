# SMViT-H on AVA v2.2 from Kinetics-400: 40.8 mAP in the paper (table 7). What differs from SMViT-L in table 13.
_base_ = 'smvit-large-p244_mae-k400-ft-k400-pre_16xb8-16x4x1-30e_ava22-rgb.py'

model = dict(
    backbone=dict(
        arch='huge',
        init_cfg=dict(
            checkpoint='https://dl.fbaipublicfiles.com/hiera/hiera_huge_16x224.pth')),
    roi_head=dict(bbox_head=dict(in_channels=2048)))

optim_wrapper = dict(paramwise_cfg=dict(layer_decay_rate=0.9))

train_dataloader = dict(batch_size=4)  # clips a GPU: 128 in all with 32 GPUs

# SMViT-B on Kinetics-400: 84.0 top-1 in 3 × 5 views in the paper (table 4).
# Numbers are table 11(b)'s; those of data and schedule stand in the bases.
_base_ = [
    '../_base_/models/smvit_base.py',
    '../_base_/datasets/kinetics400.py',
    '../_base_/schedules/adamw_layer-decay_150e-repeat2.py',
    '../_base_/default_runtime.py'
]

model = dict(
    data_preprocessor=dict(
        blending=dict(
            # one or the other, with equal probability: paper silent
            type='RandomBatchAugment',
            augments=[
                dict(type='MixupBlending', alpha=0.8, num_classes=400),
                dict(type='CutmixBlending', alpha=1.0, num_classes=400)
            ])),
    backbone=dict(
        drop_path_rate=0.2,
        # the public weights of 1600 epochs of masked pre-training (table 11(a)), CC BY-NC 4.0
        init_cfg=dict(
            type='Pretrained',
            checkpoint='https://dl.fbaipublicfiles.com/hiera/mae_hiera_base_16x224.pth')),
    cls_head=dict(
        dropout_ratio=0.3,
        label_smooth_eps=0.1))

train_dataloader = dict(batch_size=8)  # videos, 16 clips a GPU: 256 in all with 16 GPUs

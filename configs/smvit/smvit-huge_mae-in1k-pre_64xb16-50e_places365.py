# SMViT-H on Places365: 60.0 top-1 in the paper (table 9).
# What differs from SMViT-L in table A1(b).
_base_ = 'smvit-large_mae-in1k-pre_32xb32-50e_places365.py'

model = dict(
    backbone=dict(
        arch='huge',
        drop_path_rate=0.3,
        init_cfg=dict(
            checkpoint='https://dl.fbaipublicfiles.com/hiera/mae_hiera_huge_224.pth')),
    head=dict(in_channels=2048))

train_dataloader = dict(batch_size=16)  # 1024 in all with 64 GPUs

# Masked pre-training of SMViT-H on ImageNet-1K: what differs from SMViT-L in table A1(a).
_base_ = 'mae_smvit-large_64xb64-1600e_in1k.py'

model = dict(
    backbone=dict(
        arch='huge',
        drop_path_rate=0.3))

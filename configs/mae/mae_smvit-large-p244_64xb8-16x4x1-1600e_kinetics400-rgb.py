# Masked pre-training of SMViT-L on Kinetics-400: what differs from SMViT-B in table 11(a). Fine-tuned, 86.4
# top-1 in the paper (table 3e).
_base_ = 'mae_smvit-base-p244_32xb16-16x4x1-1600e_kinetics400-rgb.py'

model = dict(
    backbone=dict(
        arch='large',
        drop_path_rate=0.2))

train_dataloader = dict(batch_size=2)  # videos, 8 clips a GPU: 512 in all with 64 GPUs

# Masked pre-training of SMViT-L on Kinetics-400 for 800 epochs, on which the ablations are based (table 3): fine-tuned,
# 85.5 top-1 in the paper. Fine-tuning takes 50 epochs:
# ../../smvit/ablations/smvit-large-p244_mae-k400-pre_32xb8-16x4x1-50e_kinetics400-rgb.py.
_base_ = '../mae_smvit-large-p244_64xb32-16x4x1-1600e_kinetics400-rgb.py'

train_cfg = dict(max_epochs=200)  # 800 effective
param_scheduler = [
    _base_.warmup,
    dict(_base_.cosine, end=200)
]

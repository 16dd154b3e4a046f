# Masked pre-training of SMViT-L on ImageNet-1K for 400 epochs, on which the ablations are based (table 3): fine-tuned,
# 85.6 top-1 in the paper. Fine-tuning is that of ../../smvit/smvit-large_mae-in1k-pre_32xb32-50e_in1k.py.
_base_ = '../mae_smvit-large_64xb64-1600e_in1k.py'

train_cfg = dict(max_epochs=400)
param_scheduler = [
    dict(_base_.warmup, end=40),
    dict(_base_.cosine, begin=40, end=400)
]

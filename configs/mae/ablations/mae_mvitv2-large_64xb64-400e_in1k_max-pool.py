# Masked pre-training on ImageNet-1K of step 2 of 6 from MViTv2-L to SMViT-L (table 1): relative positions replaced by
# absolute ones; convolutions replaced by max pools. Fine-tuned, 84.4 top-1 in the paper.
_base_ = '../mae_smvit-large_64xb64-1600e_in1k.py'

model = dict(
    backbone=dict(
        _delete_=True,
        type='mmhvt.MViT',
        arch='v2_large',
        input_size=(224, 224),
        rel_pos='none',
        abs_pos='joint',
        pool_mode='max',
        # as SMViT's
        q_pool=2,
        # 32×32 pixels; poolings treat units separately: the separate-and-pad trick (figure 4d)
        mask_unit_size=(8, 8),
        drop_path_rate=0.2))

train_cfg = dict(max_epochs=400)
param_scheduler = [
    dict(_base_.warmup, end=40),
    dict(_base_.cosine, begin=40, end=400)
]

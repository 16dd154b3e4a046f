# Masked pre-training on Kinetics-400 of step 1 of 6 from MViTv2-L to SMViT-L (table 1): relative positions replaced by
# absolute ones. Fine-tuned, 85.3 top-1 in the paper.
_base_ = '../mae_smvit-large-p244_64xb32-16x4x1-1600e_kinetics400-rgb.py'

model = dict(
    backbone=dict(
        _delete_=True,
        type='mmhvt.MViT',
        arch='v2_large',
        input_size=(16, 224, 224),
        rel_pos='none',
        abs_pos='separate',
        # keys and values are pooled in the first two stages only (section 3.2)
        kv_stride=(1, 4, 4),
        # as SMViT's
        q_pool=2,
        # 32×32 pixels; poolings treat units separately: the separate-and-pad trick (figure 4d)
        mask_unit_size=(1, 8, 8),
        drop_path_rate=0.2))

train_cfg = dict(max_epochs=200)  # 800 effective
param_scheduler = [
    _base_.warmup,
    dict(_base_.cosine, end=200)
]

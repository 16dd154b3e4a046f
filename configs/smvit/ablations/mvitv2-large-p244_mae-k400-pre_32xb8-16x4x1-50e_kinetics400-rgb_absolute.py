# Step 1 of 6 from MViTv2-L to SMViT-L on Kinetics-400 (table 1): relative positions replaced by absolute ones. 85.3
# top-1 in the paper.
_base_ = '../smvit-large-p244_mae-k400-pre_32xb8-16x4x1-100e_kinetics400-rgb.py'

pretrained = 'work_dirs/mae_mvitv2-large-p244_64xb32-16x4x1-800e_kinetics400-rgb_absolute/epoch_200.pth'
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
        # "during both training and inference" (section 3.2)
        mask_unit_size=(1, 8, 8),
        drop_path_rate=0.2,
        init_cfg=dict(type='Pretrained', checkpoint=pretrained)))

train_cfg = dict(max_epochs=25)  # 50 effective
param_scheduler = [
    _base_.warmup,
    dict(_base_.cosine, end=25)
]

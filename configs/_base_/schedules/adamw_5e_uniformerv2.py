# AdamW with linear warm-up and cosine decay, as UniFormerV2-B/16 is fine-tuned on a Kinetics from
# Kinetics-710 (uniformerv2, table 11).
_base_ = 'adamw_55e_uniformerv2.py'

train_cfg = dict(
    max_epochs=5,
    val_begin=1,
    val_interval=1)
optim_wrapper = dict(optimizer=dict(lr=2e-6))  # for 256 clips
param_scheduler = [
    dict(_base_.warmup, start_factor=0.5, end=1),  # from 1e-6
    dict(_base_.cosine, begin=1, end=5)
]

auto_scale_lr = dict(base_batch_size=256)

# AdamW with linear warm-up and cosine decay, as UniFormerV2-B/16 is trained on Moments in Time
# (uniformerv2, table 11).
_base_ = 'adamw_55e_uniformerv2.py'

train_cfg = dict(
    max_epochs=24,
    val_begin=2,
    val_interval=2)
optim_wrapper = dict(optimizer=dict(lr=2e-5))  # for 512 clips
param_scheduler = [
    _base_.warmup,
    dict(_base_.cosine, end=24)
]

auto_scale_lr = dict(base_batch_size=512)

# AdamW with linear warm-up and cosine decay, as UniFormerV2-L/14 is trained on Moments in Time
# (uniformerv2, table 11).
_base_ = 'adamw_55e_uniformerv2.py'

train_cfg = dict(
    max_epochs=18,
    val_begin=2,
    val_interval=2)
optim_wrapper = dict(optimizer=dict(lr=1e-5))  # for 512 clips
param_scheduler = [
    dict(_base_.warmup, start_factor=0.1),  # from 1e-6
    dict(_base_.cosine, end=18)
]

auto_scale_lr = dict(base_batch_size=512)

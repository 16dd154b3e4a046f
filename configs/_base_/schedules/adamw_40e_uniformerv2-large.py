# AdamW with linear warm-up and cosine decay, as UniFormerV2-L/14 trains on Kinetics-710 (uniformerv2,
# table 11) and, from image weights, on each Kinetics (appendix A).
_base_ = 'adamw_55e_uniformerv2.py'

train_cfg = dict(
    max_epochs=40,
    val_begin=5,
    val_interval=5)
optim_wrapper = dict(optimizer=dict(lr=1e-5))  # for 512 clips
param_scheduler = [
    dict(_base_.warmup, start_factor=0.1),  # from 1e-6
    dict(_base_.cosine, end=40)
]

auto_scale_lr = dict(base_batch_size=512)

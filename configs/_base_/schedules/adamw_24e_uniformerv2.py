# AdamW with linear warm-up and cosine decay, as UniFormerV2-B/16 is trained on Moments in Time
# (uniformerv2, table 11).
_base_ = 'adamw_55e_uniformerv2.py'

train_cfg = dict(
    max_epochs=24,
    val_begin=2,
    val_interval=2)
optim_wrapper = dict(optimizer=dict(lr=2e-5))  # for 512 clips
param_scheduler = [
    dict(
        type='LinearLR',
        start_factor=0.05,  # 1e-6
        begin=0,
        end=5,
        convert_to_iter_based=True),
    dict(
        type='CosineAnnealingLR',
        eta_min=1e-6,
        begin=5,
        end=24,
        convert_to_iter_based=True)
]

auto_scale_lr = dict(base_batch_size=512)

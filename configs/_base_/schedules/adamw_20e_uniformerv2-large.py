# AdamW with linear warm-up and cosine decay, as UniFormerV2-L/14 is trained on ActivityNet and HACS
# (uniformerv2, table 11). In each of its epochs every segment gives 2 clips; whether a batch counts
# segments or clips: paper silent, here clips.
_base_ = 'adamw_55e_uniformerv2.py'

train_cfg = dict(
    max_epochs=20,
    val_begin=2,
    val_interval=2)
optim_wrapper = dict(optimizer=dict(lr=5e-6))  # for 64 clips
param_scheduler = [
    dict(
        type='LinearLR',
        start_factor=0.2,  # 1e-6
        begin=0,
        end=5,
        convert_to_iter_based=True),
    dict(
        type='CosineAnnealingLR',
        eta_min=1e-6,
        begin=5,
        end=20,
        convert_to_iter_based=True)
]

# MMEngine counts what the loader counts: segments
auto_scale_lr = dict(base_batch_size=32)

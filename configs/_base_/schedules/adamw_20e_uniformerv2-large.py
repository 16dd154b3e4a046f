# AdamW with linear warm-up and cosine decay, as UniFormerV2-L/14 is trained on ActivityNet and HACS
# (uniformerv2, table 11). In each of its epochs every segment gives 2 clips; a batch counts segments, as in
# UniFormerV2 exp/anet/anet_l14_16x224/run.sh.
_base_ = 'adamw_55e_uniformerv2.py'

train_cfg = dict(
    max_epochs=20,
    val_begin=2,
    val_interval=2)
optim_wrapper = dict(optimizer=dict(lr=5e-6))  # for 64 segments
param_scheduler = [
    dict(_base_.warmup, start_factor=0.2),  # from 1e-6
    dict(_base_.cosine, end=20)
]

auto_scale_lr = dict(base_batch_size=64)

# AdamW with linear warm-up and cosine decay, as UniFormerV2-L/14 is trained on Something-Something
# (uniformerv2, table 11). In each of its epochs every video gives 2 clips; a batch counts videos, as in
# UniFormerV2 exp/sthv2/ssv2_l14_f16x224/run.sh.
_base_ = 'adamw_55e_uniformerv2.py'

train_cfg = dict(
    max_epochs=15,
    val_begin=2,
    val_interval=2)
optim_wrapper = dict(optimizer=dict(lr=2e-5))  # for 128 videos
param_scheduler = [
    _base_.warmup,
    dict(_base_.cosine, end=15)
]

auto_scale_lr = dict(base_batch_size=128)

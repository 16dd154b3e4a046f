# AdamW with linear warm-up and cosine decay, as UniFormerV2-B/16 is trained on Something-Something
# (uniformerv2, table 11). In each of its epochs every video gives 2 clips; a batch counts videos, as in
# UniFormerV2 exp/sthv2/ssv2_b16_f16x224/run.sh.
_base_ = 'adamw_55e_uniformerv2.py'

train_cfg = dict(
    max_epochs=22,
    val_begin=2,
    val_interval=2)
optim_wrapper = dict(optimizer=dict(lr=4e-5))  # for 128 videos
param_scheduler = [
    dict(_base_.warmup, start_factor=0.025),  # from 1e-6
    dict(_base_.cosine, end=22)
]

auto_scale_lr = dict(base_batch_size=128)

# SGD with cosine decay, as MViT fine-tunes on Charades (mvit, D.3).
_base_ = 'sgd_100e_sthv2.py'

train_cfg = dict(max_epochs=200)
optim_wrapper = dict(
    optimizer=dict(
        lr=0.6,  # for 256 clips
        weight_decay=1e-7))
# SlowFast configs/Charades/SLOWFAST_16x8_R50.yaml, which has this learning rate, too: 4 epochs from 1e-4 for 16 clips
param_scheduler = [
    dict(_base_.warmup, start_factor=1e-4 / 0.0375, end=4),
    dict(_base_.cosine, eta_min_ratio=0.0, begin=4, end=200)
]

auto_scale_lr = dict(base_batch_size=256)

# SGD with cosine decay, as MViT fine-tunes on Charades (mvit, D.3).
_base_ = 'sgd_100e_sthv2.py'

train_cfg = dict(max_epochs=200)
optim_wrapper = dict(
    optimizer=dict(
        lr=0.6,  # for 256 clips
        weight_decay=1e-7))
# no warm-up: paper silent
param_scheduler = [dict(_base_.cosine, end=200)]

auto_scale_lr = dict(base_batch_size=256)

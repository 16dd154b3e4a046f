# AdamW with linear warm-up and cosine decay, as SMViT pre-trains on Something-Something V2 (table 12(a)).
_base_ = 'adamw_1600e-repeat4_mae.py'

# no repeated sampling, so epochs are the loader's
train_cfg = dict(max_epochs=1600)

optim_wrapper = dict(
    # Of the 1024 clips of table 12(a). Linear rule for n clips: 2e-4 · n / 256.
    optimizer=dict(lr=8e-4),
    clip_grad=dict(max_norm=0.02))

param_scheduler = [
    dict(
        type='LinearLR',
        start_factor=1e-3,  # from nearly 0: paper silent
        begin=0,
        end=30,
        convert_to_iter_based=True),
    dict(
        type='CosineAnnealingLR',
        eta_min=0,  # paper silent
        begin=30,
        end=1600,
        convert_to_iter_based=True)
]

# `--auto-scale-lr` scales the learning rate by the linear rule
auto_scale_lr = dict(base_batch_size=1024)

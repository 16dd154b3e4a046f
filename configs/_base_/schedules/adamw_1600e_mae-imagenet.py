# AdamW with linear warm-up and cosine decay, as SMViT pre-trains on ImageNet-1K (table A1(a)).
_base_ = 'adamw_1600e-repeat4_mae.py'

train_cfg = dict(max_epochs=1600)

optim_wrapper = dict(
    # mae engine_pretrain.py
    type='AmpOptimWrapper',
    loss_scale='dynamic',
    # Of the 4096 images of table A1(a). Linear rule for n images: 5e-5 · n / 256.
    optimizer=dict(lr=8e-4),
    clip_grad=None)  # mae main_pretrain.py

param_scheduler = [
    dict(_base_.warmup, end=40),
    dict(_base_.cosine, begin=40, end=1600)
]

# `--auto-scale-lr` scales the learning rate by the linear rule
auto_scale_lr = dict(base_batch_size=4096)

# AdamW with layer-wise decay, linear warm-up and cosine decay, as SMViT fine-tunes on ImageNet-1K
# (table A1(b)).
train_cfg = dict(by_epoch=True, max_epochs=100, val_interval=1)
val_cfg = dict()
test_cfg = dict()

optim_wrapper = dict(
    # mae engine_finetune.py
    type='AmpOptimWrapper',
    loss_scale='dynamic',
    optimizer=dict(
        type='AdamW',
        # Of the 1024 images of table A1(b). Linear rule for n images: 6.25e-6 · n / 256.
        lr=2.5e-5,
        betas=(0.9, 0.999),
        weight_decay=0.05),
    constructor='mmhvt.LayerDecayOptimWrapperConstructor',
    paramwise_cfg=dict(
        layer_decay_rate=0.7,
        # none on norms and biases (mae util/lr_decay.py) nor on position embeddings (hiera hiera/hiera.py)
        flat_decay_mult=0.0,
        custom_keys=dict(pos_embed=dict(decay_mult=0.0))))
# no gradient clipping: mae main_finetune.py

warmup = dict(
    type='LinearLR',
    start_factor=1e-3,  # from 0: mae util/lr_sched.py
    begin=0,
    end=5,
    convert_to_iter_based=True)
cosine = dict(
    type='CosineAnnealingLR',
    eta_min=1e-6,  # mae main_finetune.py
    begin=5,
    end=100,
    convert_to_iter_based=True)
param_scheduler = [warmup, cosine]

# `--auto-scale-lr` scales the learning rate by the linear rule
auto_scale_lr = dict(enable=False, base_batch_size=1024)

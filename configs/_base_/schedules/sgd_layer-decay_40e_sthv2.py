# SGD with layer-wise decay, linear warm-up and cosine decay, as SMViT fine-tunes on
# Something-Something V2 (table 12(b)).
train_cfg = dict(
    type='EpochBasedTrainLoop',
    max_epochs=40,
    val_begin=5,
    val_interval=5)
val_cfg = dict(type='ValLoop')
test_cfg = dict(type='TestLoop')

optim_wrapper = dict(
    type='OptimWrapper',
    optimizer=dict(
        type='SGD',
        # Of the 256 clips of table 12(b). Linear rule for n clips: 0.16 · n / 256, which gives the 0.08
        # for 128 clips of table 12(c).
        lr=0.16,
        # SlowFast slowfast/config/defaults.py
        momentum=0.9,
        nesterov=True,
        weight_decay=1e-4),
    constructor='mmhvt.LayerDecayOptimWrapperConstructor',
    paramwise_cfg=dict(
        layer_decay_rate=0.875,
        # none on norms and biases (SlowFast configs/SSv2/MVITv2_L_40x3.yaml) nor on position embeddings (hiera
        # hiera/hiera.py)
        flat_decay_mult=0.0,
        custom_keys=dict(pos_embed=dict(decay_mult=0.0))))
# no gradient clipping: table 12 lists it where it is used, in (a)

warmup = dict(
    type='LinearLR',
    start_factor=1e-3,  # from 1e-6, nearly 0: SlowFast configs/SSv2/MVITv2_L_40x3.yaml
    begin=0,
    end=3,
    convert_to_iter_based=True)
cosine = dict(
    type='CosineAnnealingLR',
    eta_min=1e-6,  # SlowFast configs/SSv2/MVITv2_L_40x3.yaml
    begin=3,
    end=40,
    convert_to_iter_based=True)
param_scheduler = [warmup, cosine]

# `--auto-scale-lr` scales the learning rate by the linear rule
auto_scale_lr = dict(enable=False, base_batch_size=256)

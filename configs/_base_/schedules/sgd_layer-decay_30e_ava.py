# SGD with layer-wise decay, linear warm-up and cosine decay, as SMViT trains on AVA (table 13).
train_cfg = dict(
    type='EpochBasedTrainLoop',
    max_epochs=30,
    val_begin=5,
    val_interval=5)
val_cfg = dict(type='ValLoop')
test_cfg = dict(type='TestLoop')

optim_wrapper = dict(
    type='OptimWrapper',
    optimizer=dict(
        type='SGD',
        lr=6.0,  # for 128 clips
        momentum=0.9,  # paper silent
        weight_decay=1e-8),
    constructor='mmhvt.LayerDecayOptimWrapperConstructor',
    paramwise_cfg=dict(
        layer_decay_rate=0.875,
        # as for Kinetics: paper silent
        flat_decay_mult=0.0,
        custom_keys=dict(pos_embed=dict(decay_mult=0.0))))
# no gradient clipping: table 13 lists none

warmup = dict(
    type='LinearLR',
    start_factor=1e-3,  # from nearly 0: paper silent
    begin=0,
    end=5,
    convert_to_iter_based=True)
cosine = dict(
    type='CosineAnnealingLR',
    eta_min=0,  # paper silent
    begin=5,
    end=30,
    convert_to_iter_based=True)
param_scheduler = [warmup, cosine]

auto_scale_lr = dict(enable=False, base_batch_size=128)

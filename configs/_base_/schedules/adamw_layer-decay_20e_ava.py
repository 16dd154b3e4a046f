# AdamW with layer-wise decay, as mmaction2 trains ViT-B of VideoMAE on AVA: for models whose papers have
# nothing on AVA.
train_cfg = dict(
    type='EpochBasedTrainLoop',
    max_epochs=20,
    val_begin=5,
    val_interval=5)
val_cfg = dict(type='ValLoop')
test_cfg = dict(type='TestLoop')

optim_wrapper = dict(
    type='OptimWrapper',
    optimizer=dict(
        type='AdamW',
        lr=1.25e-4,  # for 64 clips
        weight_decay=0.05),
    constructor='mmhvt.LayerDecayOptimWrapperConstructor',
    paramwise_cfg=dict(
        layer_decay_rate=0.75,
        # none on norms and biases, as in their recipes of Kinetics
        flat_decay_mult=0.0),
    clip_grad=dict(max_norm=40))

warmup = dict(
    type='LinearLR',
    start_factor=0.1,
    begin=0,
    end=5,
    convert_to_iter_based=True)
cosine = dict(
    type='CosineAnnealingLR',
    eta_min=0,
    begin=5,
    end=20,
    convert_to_iter_based=True)
param_scheduler = [warmup, cosine]

auto_scale_lr = dict(enable=False, base_batch_size=64)

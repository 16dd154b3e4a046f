# SGD with layer-wise decay, linear warm-up and cosine decay, as SMViT trains on AVA (table 13). The learning rate is
# that of the published paper, arXiv:2306.00989; an earlier draft had 6.0. An author confirms it, and the start of the
# warm-up, in facebookresearch/hiera issue 27: 0.225 and 0.01 for each of 16 nodes.
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
        lr=3.6,  # for 128 clips
        # SlowFast slowfast/config/defaults.py, which clips no gradients
        momentum=0.9,
        nesterov=True,
        weight_decay=1e-8),
    constructor='mmhvt.LayerDecayOptimWrapperConstructor',
    paramwise_cfg=dict(
        layer_decay_rate=0.875,
        # hiera hiera/hiera.py
        flat_decay_mult=0.0,
        custom_keys=dict(pos_embed=dict(decay_mult=0.0))))

warmup = dict(
    type='LinearLR',
    start_factor=0.16 / 3.6,
    begin=0,
    end=5,
    convert_to_iter_based=True)
cosine = dict(
    type='CosineAnnealingLR',
    eta_min=0,  # SlowFast slowfast/config/defaults.py
    begin=5,
    end=30,
    convert_to_iter_based=True)
param_scheduler = [warmup, cosine]

auto_scale_lr = dict(enable=False, base_batch_size=128)

# AdamW with linear warm-up and cosine decay, as UniFormerV2-B/16 trains on Kinetics-710 (uniformerv2,
# table 11) and, from image weights, on each Kinetics ("we adopt the same hyperparameters as in K710
# pretraining", appendix A).
train_cfg = dict(
    type='EpochBasedTrainLoop',
    max_epochs=55,
    val_begin=5,
    val_interval=5)
val_cfg = dict(type='ValLoop')
test_cfg = dict(type='TestLoop')

optim_wrapper = dict(
    type='OptimWrapper',
    optimizer=dict(
        type='AdamW',
        lr=2e-5,  # for 512 clips
        betas=(0.9, 0.999),
        weight_decay=0.05),
    paramwise_cfg=dict(
        # no weight decay on norms and biases: paper silent, as mmaction2
        flat_decay_mult=0.0,
        # nor on positions, class token and queries: paper silent
        custom_keys=dict(
            pos_embed=dict(decay_mult=0.0),
            cls_token=dict(decay_mult=0.0),
            queries=dict(decay_mult=0.0))),
    # paper silent, as mmaction2
    clip_grad=dict(max_norm=20))

warmup = dict(
    type='LinearLR',
    start_factor=0.05,  # 1e-6
    begin=0,
    end=5,
    convert_to_iter_based=True)
# whether it counts from the end of the warm-up: paper silent
cosine = dict(
    type='CosineAnnealingLR',
    eta_min=1e-6,
    begin=5,
    end=55,
    convert_to_iter_based=True)
param_scheduler = [warmup, cosine]

auto_scale_lr = dict(enable=False, base_batch_size=512)

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
    type='AmpOptimWrapper',  # UniFormerV2 tools/train_net.py
    dtype='float16',
    optimizer=dict(
        type='AdamW',
        lr=2e-5,  # for 512 clips
        betas=(0.9, 0.999),
        weight_decay=0.05),
    paramwise_cfg=dict(
        # no weight decay on what has one axis in UniFormerV2 slowfast/models/optimizer.py: norms, biases, α …
        flat_decay_mult=0.0,
        # … and the class token; positions and queries decay there
        custom_keys=dict(cls_token=dict(decay_mult=0.0))),
    # UniFormerV2 slowfast/config/defaults.py
    clip_grad=dict(max_norm=20))

warmup = dict(
    type='LinearLR',
    start_factor=0.05,  # 1e-6
    begin=0,
    end=5,
    convert_to_iter_based=True)
# from the end of the warm-up: UniFormerV2 exp/k400/k400_b16_f8x224/config.yaml (COSINE_AFTER_WARMUP)
cosine = dict(
    type='CosineAnnealingLR',
    eta_min=1e-6,
    begin=5,
    end=55,
    convert_to_iter_based=True)
param_scheduler = [warmup, cosine]

auto_scale_lr = dict(enable=False, base_batch_size=512)

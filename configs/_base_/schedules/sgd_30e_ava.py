# SGD with linear warm-up and cosine decay, as MViT (mvit, D.2) and MViTv2 (mvitv2, B.6) train on AVA.
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
        lr=0.6,  # for 512 clips
        # SlowFast slowfast/config/defaults.py, which clips no gradients
        momentum=0.9,
        nesterov=True,
        weight_decay=1e-8),
    # SlowFast configs/Kinetics/MVIT_B_16x4_CONV.yaml
    paramwise_cfg=dict(flat_decay_mult=0.0))

warmup = dict(
    type='LinearLR',
    start_factor=0.01,  # ours: as for Kinetics
    begin=0,
    end=5,
    convert_to_iter_based=True)
# from the end of the warm-up: SlowFast configs/Kinetics/MVIT_B_16x4_CONV.yaml
cosine = dict(
    type='CosineAnnealingLR',
    eta_min=0,
    begin=5,
    end=30,
    convert_to_iter_based=True)
param_scheduler = [warmup, cosine]

auto_scale_lr = dict(enable=False, base_batch_size=512)

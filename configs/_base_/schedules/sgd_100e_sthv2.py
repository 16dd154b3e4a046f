# SGD with cosine decay, as MViT (mvit, D.4) and MViTv2 (mvitv2, B.5) fine-tune on
# Something-Something V2.
train_cfg = dict(
    type='EpochBasedTrainLoop',
    max_epochs=100,
    val_begin=5,
    val_interval=5)
val_cfg = dict(type='ValLoop')
test_cfg = dict(type='TestLoop')

optim_wrapper = dict(
    type='OptimWrapper',
    optimizer=dict(
        type='SGD',
        lr=0.02,  # for 512 clips
        # SlowFast slowfast/config/defaults.py
        momentum=0.9,
        nesterov=True,
        weight_decay=1e-4),
    # no weight decay on norms and biases: SlowFast configs/SSv2/MVITv2_S_16x4.yaml, which clips no gradients
    paramwise_cfg=dict(flat_decay_mult=0.0))

# SlowFast configs/SSv2/MVITv2_S_16x4.yaml: from 1e-4 for 16 clips, to 1e-6
warmup = dict(
    type='LinearLR',
    start_factor=0.16,  # 3.2e-3
    begin=0,
    end=3,
    convert_to_iter_based=True)
cosine = dict(
    type='CosineAnnealingLR',
    eta_min_ratio=1.6e-3,  # 3.2e-5
    begin=3,
    end=100,
    convert_to_iter_based=True)
param_scheduler = [warmup, cosine]

auto_scale_lr = dict(enable=False, base_batch_size=512)

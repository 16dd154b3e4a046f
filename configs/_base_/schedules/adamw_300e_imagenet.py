# AdamW with linear warm-up and cosine decay, as MViTv2 trains on ImageNet-1K (mvitv2, B.2).
train_cfg = dict(by_epoch=True, max_epochs=300, val_interval=5)
val_cfg = dict()
test_cfg = dict()

optim_wrapper = dict(
    optimizer=dict(
        type='AdamW',
        lr=2e-3,  # for 2048 images
        betas=(0.9, 0.999),  # paper silent
        weight_decay=0.05),
    # no weight decay on norms and biases: DeiT's
    paramwise_cfg=dict(flat_decay_mult=0.0),
    # paper silent
    clip_grad=dict(max_norm=1.0))

warmup = dict(
    type='LinearLR',
    start_factor=1e-3,  # paper silent
    begin=0,
    end=70,
    convert_to_iter_based=True)
cosine = dict(
    type='CosineAnnealingLR',
    eta_min=1e-5,  # DeiT's
    begin=70,
    end=300,
    convert_to_iter_based=True)
param_scheduler = [warmup, cosine]

auto_scale_lr = dict(enable=False, base_batch_size=2048)

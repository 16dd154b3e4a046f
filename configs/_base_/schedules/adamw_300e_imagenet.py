# AdamW with linear warm-up and cosine decay, as MViTv2 trains on ImageNet-1K (mvitv2, B.2).
train_cfg = dict(by_epoch=True, max_epochs=300, val_interval=5)
val_cfg = dict()
test_cfg = dict()

optim_wrapper = dict(
    optimizer=dict(
        type='AdamW',
        lr=2e-3,  # for 2048 images
        betas=(0.9, 0.999),  # SlowFast slowfast/config/defaults.py
        weight_decay=0.05),
    # no weight decay on norms and biases, and gradients clipped: SlowFast configs/ImageNet/MVITv2_T.yaml
    paramwise_cfg=dict(flat_decay_mult=0.0),
    clip_grad=dict(max_norm=1.0))

# SlowFast configs/ImageNet/MVITv2_T.yaml: from 1e-8 for 256 images, to 1e-6
warmup = dict(
    type='LinearLR',
    start_factor=4e-5,  # 8e-8
    begin=0,
    end=70,
    convert_to_iter_based=True)
cosine = dict(
    type='CosineAnnealingLR',
    eta_min_ratio=4e-3,  # 8e-6
    begin=70,
    end=300,
    convert_to_iter_based=True)
param_scheduler = [warmup, cosine]

auto_scale_lr = dict(enable=False, base_batch_size=2048)

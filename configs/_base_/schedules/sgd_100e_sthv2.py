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
        momentum=0.9,  # paper silent
        weight_decay=1e-4),
    # as for Kinetics: paper silent
    paramwise_cfg=dict(flat_decay_mult=0.0),
    clip_grad=dict(max_norm=1.0))

# no warm-up: neither paper has one here
cosine = dict(
    type='CosineAnnealingLR',
    eta_min=0,  # paper silent
    begin=0,
    end=100,
    convert_to_iter_based=True)
param_scheduler = [cosine]

auto_scale_lr = dict(enable=False, base_batch_size=512)

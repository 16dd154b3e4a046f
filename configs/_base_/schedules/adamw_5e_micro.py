# AdamW with one cycle of the learning rate, as the smallest models learn in a few epochs.
train_cfg = dict(type='EpochBasedTrainLoop', max_epochs=5, val_interval=1)
val_cfg = dict(type='ValLoop')
test_cfg = dict(type='TestLoop')

optim_wrapper = dict(
    type='OptimWrapper',
    optimizer=dict(type='AdamW', lr=2e-3, weight_decay=0.05),
    clip_grad=dict(max_norm=1))
one_cycle = dict(
    type='OneCycleLR',
    eta_max=2e-3,
    pct_start=0.3,
    by_epoch=True,
    begin=0,
    end=5,
    total_steps=5,
    convert_to_iter_based=True)
param_scheduler = [one_cycle]

auto_scale_lr = dict(enable=False, base_batch_size=16)

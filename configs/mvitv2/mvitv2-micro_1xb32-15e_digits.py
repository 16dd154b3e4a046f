# The smallest MViTv2 on handwritten digits: what `make demo-image` trains.
_base_ = [
    '../_base_/models/mvitv2_micro_image.py',
    '../_base_/datasets/digits.py',
    '../_base_/schedules/adamw_5e_micro.py',
    '../_base_/default_runtime_micro_image.py'
]

train_cfg = dict(max_epochs=15, val_interval=5)
optim_wrapper = dict(optimizer=dict(lr=1e-3))
param_scheduler = [dict(_base_.one_cycle, end=15, total_steps=15, eta_max=1e-3)]
auto_scale_lr = dict(base_batch_size=32)

# The smallest MViTv2 on generated videos.
_base_ = [
    '../_base_/models/mvitv2_micro.py',
    '../_base_/datasets/moving_shapes.py',
    '../_base_/schedules/adamw_5e_micro.py',
    '../_base_/default_runtime_micro.py'
]

optim_wrapper = dict(optimizer=dict(lr=5e-4))
param_scheduler = [dict(_base_.one_cycle, eta_max=5e-4)]

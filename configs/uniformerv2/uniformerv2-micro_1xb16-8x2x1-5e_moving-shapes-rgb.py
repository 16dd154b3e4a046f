# The smallest UniFormerV2 on generated videos.
_base_ = [
    '../_base_/models/uniformerv2_micro.py',
    '../_base_/datasets/moving_shapes.py',
    '../_base_/schedules/adamw_5e_micro.py',
    '../_base_/default_runtime_micro.py'
]

optim_wrapper = dict(optimizer=dict(lr=3e-3))
param_scheduler = [dict(_base_.one_cycle, eta_max=3e-3)]

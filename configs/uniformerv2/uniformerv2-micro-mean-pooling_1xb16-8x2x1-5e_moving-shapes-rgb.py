# The smallest UniFormerV2 without its local UniBlocks: an image ViT on each frame, whose class tokens are averaged
# (uniformerv2, table 15, "mean pooling"). It learns nothing from videos whose classes no frame shows.
_base_ = [
    '../_base_/models/uniformerv2_micro.py',
    '../_base_/datasets/moving_shapes.py',
    '../_base_/schedules/adamw_5e_micro.py',
    '../_base_/default_runtime_micro.py'
]

model = dict(backbone=dict(local_layers=None))

optim_wrapper = dict(optimizer=dict(lr=3e-3))
param_scheduler = [dict(_base_.one_cycle, eta_max=3e-3)]

# The smallest SMViT on generated videos: what `make demo` trains.
_base_ = [
    '../_base_/models/smvit_micro.py',
    '../_base_/datasets/moving_shapes.py',
    '../_base_/schedules/adamw_5e_micro.py',
    '../_base_/default_runtime_micro.py'
]

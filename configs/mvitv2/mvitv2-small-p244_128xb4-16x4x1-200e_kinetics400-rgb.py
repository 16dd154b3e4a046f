# MViTv2-S 16×4 on Kinetics-400 from scratch: 81.0 top-1 in the paper (table A.6). Numbers are those of
# B.4, and D.1 of MViT, which it follows; all stand in the bases.
_base_ = [
    '../_base_/models/mvitv2_small.py',
    '../_base_/datasets/kinetics400_mvit.py',
    '../_base_/schedules/adamw_200e_kinetics.py',
    '../_base_/default_runtime.py'
]

# MViT-B 16×4 on Kinetics-400 from scratch: 78.4 top-1 in 1 × 5 views in the paper (table 4).
# Numbers are appendix D.1's; all stand in the bases.
_base_ = [
    '../_base_/models/mvit_base.py',
    '../_base_/datasets/kinetics400_mvit.py',
    '../_base_/schedules/adamw_200e_kinetics.py',
    '../_base_/default_runtime.py'
]

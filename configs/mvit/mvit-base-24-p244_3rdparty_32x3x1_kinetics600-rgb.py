# MViT-B-24 32×3 on Kinetics-600 as PySlowFast publishes it: SlowFast configs/Kinetics/MVIT_B_32x3_CONV.yaml.
_base_ = 'mvit-base-24-p244_128xb4-32x3x1-200e_kinetics600-rgb.py'

model = dict(
    backbone=dict(
        # the YAML names no kernel
        pool_kernel='s+1',
        drop_path_rate=0.3))

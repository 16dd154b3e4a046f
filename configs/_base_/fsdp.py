# Weights, gradients and optimizer sharded over GPUs, block by block, for any recipe before it in `_base_`
# (docs/guides/training.md):
#   _base_ = ['mmhvt::mae/mae_smvit-huge-p244_128xb16-16x4x1-1600e_kinetics400-rgb.py', 'mmhvt::_base_/fsdp.py']
runner_type = 'FlexibleRunner'
strategy = dict(type='mmhvt.FSDPStrategy')

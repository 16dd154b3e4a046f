# MViTv2-B on ImageNet-21K as its authors publish it.
_base_ = 'mvitv2-base_64xb32-90e_in21k.py'

# the class token's query is not added to it: mvit/models/attention.py of facebookresearch/mvit
model = dict(backbone=dict(residual_pooling=True))

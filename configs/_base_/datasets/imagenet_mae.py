# ImageNet-1K for masked pre-training as SMViT's table A1(a) does. mmpretrain's base has the random resized crop of 20
# to 100 % of the area, and the flip, of mae main_pretrain.py.
_base_ = 'mmpretrain::_base_/datasets/imagenet_bs512_mae.py'

# anew: what comes from another package's base has its scope as an argument, which the function refuses
train_dataloader = dict(collate_fn=dict(_delete_=True, type='default_collate'))

# ImageNet-1K for masked pre-training as in SMViT's table A1(a). mmpretrain's base has the random resized crop of 20 to
# 100 % of the area, and the flip, of mae main_pretrain.py.
_base_ = 'mmpretrain::_base_/datasets/imagenet_bs512_mae.py'

# set anew: in a base from another package, the function gets the scope as an argument, which it rejects
train_dataloader = dict(collate_fn=dict(_delete_=True, type='default_collate'))

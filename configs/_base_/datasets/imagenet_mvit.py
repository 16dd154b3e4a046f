# ImageNet-1K for MViT (mvit, D.5) and MViTv2 (mvitv2, B.2), which augment as DeiT does. mmpretrain's
# base has DeiT's crops, flip, RandAugment of magnitude 9 with deviation 0.5, random erasing with
# probability 0.25, and tests on a centre crop of 224² of images whose shorter side is 256.
_base_ = 'mmpretrain::_base_/datasets/imagenet_bs64_swin_224.py'

train_pipeline = _base_.train_pipeline
# 6 layers, for conv-pooling; each operation with probability 0.5, mmpretrain's default
train_pipeline[3].update(num_policies=6)

train_dataloader = dict(dataset=dict(pipeline=train_pipeline))

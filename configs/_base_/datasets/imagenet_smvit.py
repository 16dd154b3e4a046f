# ImageNet-1K for fine-tuning as SMViT's table A1(b) does. mmpretrain's base has RandAug (9, 0.5): magnitude
# 9 with deviation 0.5; 2 operations, each with probability 0.5, of increasing strength, random resized
# crops of 8 to 100 % of the area, and the flip: paper silent. It tests on a centre crop of 224² (section 4)
# of images whose shorter side is 256: paper silent.
_base_ = 'mmpretrain::_base_/datasets/imagenet_bs64_swin_224.py'

train_pipeline = _base_.train_pipeline
# no random erasing: table A1(b) lists none
train_pipeline.pop(4)

train_dataloader = dict(dataset=dict(pipeline=train_pipeline))

# ImageNet-21K of winter 2021 joined with ImageNet-1K (mvitv2, B.2), a folder of images for each class under
# data/imagenet21k/train. The names of the folders, WordNet ids, are those of the classes. There is no validation set.
# The public weights were trained on 19168 classes: the paper gives no number.
_base_ = 'imagenet.py'

train_dataloader = dict(
    dataset=dict(_delete_=True, type='mmhvt.CustomDataset', data_root='data/imagenet21k', data_prefix='train'))
val_dataloader = None
val_evaluator = None
test_dataloader = None
test_evaluator = None

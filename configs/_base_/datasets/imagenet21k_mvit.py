# ImageNet-21K of winter 2021 joined with ImageNet-1K (mvitv2, B.2), a folder of images for each
# class under data/imagenet21k/train. There is no validation set.
_base_ = 'imagenet_mvit.py'

# what the public weights were trained on: the paper gives no number
num_classes = 19168

data_preprocessor = dict(num_classes=num_classes)
train_dataloader = dict(
    dataset=dict(
        _delete_=True,
        type='CustomDataset',
        data_root='data/imagenet21k',
        data_prefix='train',
        pipeline=_base_.train_pipeline))
val_dataloader = None
val_evaluator = None
test_dataloader = None
test_evaluator = None

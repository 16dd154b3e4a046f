# Places365 (standard, the small images in a folder for each class), augmented and tested as ImageNet-1K
# (section 6.2, appendix A.2).
_base_ = 'imagenet_smvit.py'

data_root = 'data/places365'

data_preprocessor = dict(num_classes=365)

train_dataloader = dict(
    dataset=dict(
        _delete_=True,
        type='CustomDataset',
        data_root=data_root,
        data_prefix='train',
        pipeline=_base_.train_pipeline))
val_dataloader = dict(
    dataset=dict(
        _delete_=True,
        type='CustomDataset',
        data_root=data_root,
        data_prefix='val',
        pipeline=_base_.test_pipeline))
test_dataloader = val_dataloader

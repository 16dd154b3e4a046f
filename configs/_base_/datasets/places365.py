# Places365 (standard, the small images in a folder for each class), tested as ImageNet-1K (section 6.2, appendix A.2).
_base_ = 'imagenet.py'

data_root = 'data/places365'

train_dataloader = dict(
    dataset=dict(
        _delete_=True,
        type='mmhvt.CustomDataset',
        data_root=data_root,
        data_prefix='train',
        metainfo=dict(classes='places365')))
val_dataloader = dict(
    dataset=dict(
        _delete_=True,
        type='mmhvt.CustomDataset',
        data_root=data_root,
        data_prefix='val',
        metainfo=dict(classes='places365')))
test_dataloader = val_dataloader

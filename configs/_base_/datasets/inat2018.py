# iNaturalist 2018, augmented and tested as ImageNet-1K (section 6.2, appendix A.2).
# tools/data/inat_lists.py writes the lists from the official annotations.
_base_ = 'imagenet_smvit.py'

data_root = 'data/inat2018'

data_preprocessor = dict(num_classes=8142)

train_dataloader = dict(
    dataset=dict(
        _delete_=True,
        type='CustomDataset',
        data_root=data_root,
        ann_file='meta/train.txt',
        pipeline=_base_.train_pipeline))
val_dataloader = dict(
    dataset=dict(
        _delete_=True,
        type='CustomDataset',
        data_root=data_root,
        ann_file='meta/val.txt',
        pipeline=_base_.test_pipeline))
test_dataloader = val_dataloader

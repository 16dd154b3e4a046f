# iNaturalist, tested as ImageNet-1K (section 6.2, appendix A.2). The recipe has the year: data_root and the number of
# classes. tools/data/inat_lists.py writes the lists, and the names of the classes, from the official annotations.
_base_ = 'imagenet.py'

train_dataloader = dict(
    dataset=dict(
        _delete_=True,
        type='mmhvt.CustomDataset',
        ann_file='meta/train.txt',
        metainfo=dict(classes='meta/classes.txt')))
val_dataloader = dict(
    dataset=dict(
        _delete_=True,
        type='mmhvt.CustomDataset',
        ann_file='meta/val.txt',
        metainfo=dict(classes='meta/classes.txt')))
test_dataloader = val_dataloader

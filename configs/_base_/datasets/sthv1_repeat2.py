# Something-Something V1 with repeated sampling 2: a video is read once per epoch and yields 2 clips of the same frames,
# as in UniFormerV2 slowfast/datasets/sth.py. Its videos are distributed as frames, 00001.jpg … in a folder for each,
# which UniFormerV2 exp/sthv1 reads, too.
_base_ = 'kinetics400.py'

train_files = dict(
    type='mmhvt.RawframeDataset',
    ann_file='data/sthv1/sthv1_train_list_rawframes.txt',
    data_prefix=dict(_delete_=True, img='data/sthv1/rawframes'),
    filename_tmpl='{:05}.jpg',
    metainfo=dict(classes='sthv1'))
val_files = dict(
    type='mmhvt.RawframeDataset',
    ann_file='data/sthv1/sthv1_val_list_rawframes.txt',
    data_prefix=dict(_delete_=True, img='data/sthv1/rawframes'),
    filename_tmpl='{:05}.jpg',
    metainfo=dict(classes='sthv1'))

train_dataloader = dict(dataset=dict(num_repeats=2, sample_once=True, **train_files))
val_dataloader = dict(dataset=val_files)
test_dataloader = dict(dataset=val_files)

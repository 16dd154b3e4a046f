# Your own videos with annotations in AVA's format (docs/tutorials/own_ava.md), in data/own_ava:
#   videos/VIDEO.mp4
#   train.csv, val.csv    VIDEO,SECOND,x1,y1,x2,y2,CLASS,PERSON, with seconds from the start of the video
#   classes.txt           a name per line; the first is class 1
# Without proposals, the boxes of persons are those of the annotations.
_base_ = 'ava22.py'

data_root = 'data/own_ava'
label_file = f'{data_root}/classes.txt'
# datasets and metric count the classes of label_file, so only the model has num_classes
files = dict(exclude_file=None, label_file=label_file)
videos = dict(
    data_prefix=dict(img=f'{data_root}/videos'),
    use_frames=False,
    metainfo=None,  # the names of label_file
    timestamp_start=0,
    proposal_file=None)

train_pipeline = [
    dict(type='mmhvt.DecordInit'),
    _base_.clip,
    dict(type='DecordDecode'), *_base_.augment
]
# whole frames, since persons may be anywhere
test_pipeline = [
    dict(type='mmhvt.DecordInit'),
    _base_.clip,
    dict(type='mmhvt.KeepWholeProposals'),
    dict(type='DecordDecode'), *_base_.whole_picture
]

train_dataloader = dict(
    num_workers=2,
    dataset=dict(ann_file=f'{data_root}/train.csv', pipeline=train_pipeline, **files, **videos))
val_dataloader = dict(
    num_workers=2,
    dataset=dict(ann_file=f'{data_root}/val.csv', pipeline=test_pipeline, **files, **videos))
test_dataloader = dict(
    num_workers=2,
    dataset=dict(ann_file=f'{data_root}/val.csv', pipeline=test_pipeline, **files, **videos))
val_evaluator = dict(ann_file=f'{data_root}/val.csv', **files)
test_evaluator = dict(ann_file=f'{data_root}/val.csv', **files)

# Handwritten digits of scikit-learn, 1198 images to train on and 599 held out, of 8² pixels enlarged to 32²:
#   python tools/data/digits.py data/digits
data_root = 'data/digits'
metainfo = dict(classes=('0', '1', '2', '3', '4', '5', '6', '7', '8', '9'))

data_preprocessor = dict(mean=[78.0] * 3, std=[96.0] * 3)

resize = dict(type='Resize', scale=32, interpolation='bicubic')
# never flip: most flipped digits are no digits
train_pipeline = [
    dict(type='LoadImageFromFile'),
    resize,
    dict(type='Rotate', angle=10.0, prob=0.5),
    dict(type='RandomCrop', crop_size=32, padding=3),
    dict(type='PackInputs')
]
test_pipeline = [
    dict(type='LoadImageFromFile'),
    resize,
    dict(type='PackInputs')
]

train_dataloader = dict(
    batch_size=32,
    num_workers=1,
    persistent_workers=True,
    sampler=dict(type='DefaultSampler', shuffle=True),
    dataset=dict(
        type='mmhvt.CustomDataset',
        data_root=data_root,
        data_prefix='train',
        metainfo=metainfo,
        pipeline=train_pipeline))
val_dataloader = dict(
    batch_size=64,
    num_workers=1,
    persistent_workers=True,
    sampler=dict(type='DefaultSampler', shuffle=False),
    dataset=dict(
        type='mmhvt.CustomDataset',
        data_root=data_root,
        data_prefix='val',
        metainfo=metainfo,
        pipeline=test_pipeline))
test_dataloader = val_dataloader

val_evaluator = dict(type='Accuracy', topk=(1, ))
test_evaluator = val_evaluator

# Images of 448² pixels for SMViT, augmented as in smvit_image.py.
_base_ = 'smvit_image.py'

train_pipeline = [
    dict(type='LoadImageFromFile'),
    dict(type='RandomResizedCrop', scale=448, backend='pillow', interpolation='bicubic'), *_base_.augment
]
# the largest center crop: mae util/datasets.py
test_pipeline = [
    dict(type='LoadImageFromFile'),
    dict(type='ResizeEdge', scale=448, edge='short', backend='pillow', interpolation='bicubic'),
    dict(type='CenterCrop', crop_size=448),
    dict(type='PackInputs')
]

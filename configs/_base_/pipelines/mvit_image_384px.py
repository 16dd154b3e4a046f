# Images of 384² pixels for MViTv2 (mvitv2, B.2), augmented as in mvit_image.py.
_base_ = 'mvit_image.py'

train_pipeline = [
    dict(type='LoadImageFromFile'),
    dict(type='RandomResizedCrop', scale=384, backend='pillow', interpolation='bicubic'), *_base_.augment
]
# the whole image, resized: the better of the two tests of table A.3: mvit mvit/datasets/imagenet.py
test_pipeline = [
    dict(type='LoadImageFromFile'),
    dict(type='Resize', scale=384, backend='pillow', interpolation='bicubic'),
    dict(type='PackInputs')
]

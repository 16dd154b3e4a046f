# Images of 224² pixels for MViT (mvit, D.5) and MViTv2 (mvitv2, B.2), which augment as DeiT does: its crops, flip,
# RandAugment of magnitude 9 with deviation 0.5, and random erasing with probability 0.25.
rand_augment = dict(
    type='RandAugment',
    policies='timm_increasing',
    # 6 layers, for conv-pooling; each operation with probability 0.5, mmpretrain's default
    num_policies=6,
    total_level=10,
    magnitude_level=9,
    magnitude_std=0.5,
    # the mean, in BGR
    hparams=dict(pad_val=[104, 116, 124], interpolation='bicubic'))
random_erasing = dict(
    type='RandomErasing',
    erase_prob=0.25,
    mode='rand',
    min_area_ratio=0.02,
    max_area_ratio=1 / 3,
    # mean and deviation, in BGR
    fill_color=[103.53, 116.28, 123.675],
    fill_std=[57.375, 57.12, 58.395])

# what follows the crop
augment = [
    dict(type='RandomFlip', prob=0.5, direction='horizontal'),
    rand_augment,
    random_erasing,
    dict(type='PackInputs')
]

train_pipeline = [
    dict(type='LoadImageFromFile'),
    dict(type='RandomResizedCrop', scale=224, backend='pillow', interpolation='bicubic'), *augment
]
# a center crop of images whose shorter side is 256
test_pipeline = [
    dict(type='LoadImageFromFile'),
    dict(type='ResizeEdge', scale=256, edge='short', backend='pillow', interpolation='bicubic'),
    dict(type='CenterCrop', crop_size=224),
    dict(type='PackInputs')
]

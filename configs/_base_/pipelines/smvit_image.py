# Images of 224² pixels for fine-tuning as SMViT's table A1(b) does. RandAug (9, 0.5): magnitude 9 with deviation 0.5; 2
# operations, each with probability 0.5, of increasing strength, random resized crops of 8 to 100 % of the area, and the
# flip: paper silent.

# what follows the crop
augment = [
    dict(type='RandomFlip', prob=0.5, direction='horizontal'),
    dict(
        type='RandAugment',
        policies='timm_increasing',
        num_policies=2,
        total_level=10,
        magnitude_level=9,
        magnitude_std=0.5,
        # the mean, in BGR
        hparams=dict(pad_val=[104, 116, 124], interpolation='bicubic')),
    # no random erasing: table A1(b) lists none
    dict(type='PackInputs')
]

train_pipeline = [
    dict(type='LoadImageFromFile'),
    dict(type='RandomResizedCrop', scale=224, backend='pillow', interpolation='bicubic'), *augment
]
# a center crop of 224² (section 4) of images whose shorter side is 256: paper silent
test_pipeline = [
    dict(type='LoadImageFromFile'),
    dict(type='ResizeEdge', scale=256, edge='short', backend='pillow', interpolation='bicubic'),
    dict(type='CenterCrop', crop_size=224),
    dict(type='PackInputs')
]

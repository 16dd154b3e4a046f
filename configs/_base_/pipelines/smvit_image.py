# Images of 224² pixels for fine-tuning as in SMViT's table A1(b). RandAug (9, 0.5): magnitude 9 with deviation 0.5.
# "Our settings mainly follow He et al. (2022)" (smvit, A.2): the rest is theirs, mae main_finetune.py and
# util/datasets.py, which an author names for fine-tuning in facebookresearch/hiera issue 12.

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
    dict(
        type='RandomErasing',
        erase_prob=0.25,
        mode='rand',
        min_area_ratio=0.02,
        max_area_ratio=1 / 3,
        # mean and deviation, in BGR
        fill_color=[103.53, 116.28, 123.675],
        fill_std=[57.375, 57.12, 58.395]),
    dict(type='PackInputs')
]

train_pipeline = [
    dict(type='LoadImageFromFile'),
    dict(type='RandomResizedCrop', scale=224, backend='pillow', interpolation='bicubic'), *augment
]
# a center crop of 224² (section 4) of images whose shorter side is 256
test_pipeline = [
    dict(type='LoadImageFromFile'),
    dict(type='ResizeEdge', scale=256, edge='short', backend='pillow', interpolation='bicubic'),
    dict(type='CenterCrop', crop_size=224),
    dict(type='PackInputs')
]

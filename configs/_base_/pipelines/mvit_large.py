# mvit.py for MViTv2-L, which has ImageNet's mean and deviation: so has the noise of erased regions.
_base_ = 'mvit.py'

random_erasing = dict(
    _base_.random_erasing, fill_color=(123.675, 116.28, 103.53), fill_std=(58.395, 57.12, 57.375))
augment = [
    dict(type='Resize', scale=(-1, 256)),
    _base_.rand_augment,
    _base_.random_crop,
    dict(type='Resize', scale=(224, 224), keep_ratio=False),
    dict(type='Flip', flip_ratio=0.5),
    random_erasing,
    dict(type='FormatShape', input_format='NCTHW'),
    dict(type='PackActionInputs')
]
train_pipeline = [
    dict(type='mmhvt.DecordInit'),
    dict(num_clips=1, **_base_.clip),
    dict(type='DecordDecode'), *augment
]

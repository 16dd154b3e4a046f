# Clips of 8 frames, for UniFormerV2 (uniformerv2, table 11). A recipe with another clip joins the same parts.

# "Sparse sampling" (section 4): a frame from each of 8 segments of the video, any in training; in testing
# the clips are at equal distances within the segments
clip = dict(type='UniformSample', clip_len=8)

# rand-m7-n4-mstd0.5-inc1
rand_augment = dict(type='mmhvt.RandAugment', magnitude=7, magnitude_std=0.5, num_ops=4)
# "Inception-style cropping"
random_crop = dict(type='RandomResizedCrop', area_range=(0.08, 1.0), aspect_ratio_range=(0.75, 1.33))
# besides RandAugment, as the table has both: UniFormerV2 slowfast/datasets/kinetics_sparse.py applies none. Without
# hue, as timm
color_jitter = dict(type='ColorJitter', brightness=0.4, contrast=0.4, saturation=0.4, hue=0.0)
flip = dict(type='Flip', flip_ratio=0.5)  # UniFormerV2 slowfast/datasets/utils.py

# what follows the decoding
augment = [
    # ours, to bound the work of what follows; the usual copies of Kinetics have this size already
    dict(type='Resize', scale=(-1, 256)),
    rand_augment,
    random_crop,
    dict(type='Resize', scale=(224, 224), keep_ratio=False),
    color_jitter,
    flip,
    # neither random erasing nor, in the model, mixup, CutMix and label smoothing (appendix A)
    dict(type='FormatShape', input_format='NCTHW'),
    dict(type='PackActionInputs')
]
center_crop = [
    dict(type='Resize', scale=(-1, 224)),
    dict(type='CenterCrop', crop_size=224),
    dict(type='FormatShape', input_format='NCTHW'),
    dict(type='PackActionInputs')
]
# as high as the frame: UniFormerV2 slowfast/datasets/kinetics_sparse.py
three_crops = [
    dict(type='Resize', scale=(-1, 224)),
    dict(type='ThreeCrop', crop_size=224),
    dict(type='FormatShape', input_format='NCTHW'),
    dict(type='PackActionInputs')
]

train_pipeline = [
    dict(type='mmhvt.DecordInit'),
    clip,
    dict(type='DecordDecode'), *augment
]
# one center crop, to follow the training
val_pipeline = [
    dict(type='mmhvt.DecordInit'),
    dict(test_mode=True, **clip),
    dict(type='DecordDecode'), *center_crop
]
# 3 crops of each of 4 clips (tables 16 and 17)
test_pipeline = [
    dict(type='mmhvt.DecordInit'),
    dict(num_clips=4, test_mode=True, **clip),
    dict(type='DecordDecode'), *three_crops
]

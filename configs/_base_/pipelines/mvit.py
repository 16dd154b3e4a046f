# Clips of 16 frames with stride 4, augmented as MViT (mvit, D.1) and MViTv2 (mvitv2, B.4) train from scratch on
# Kinetics. A recipe with another clip joins the same parts.
#
# Strides count frames at 30 a second, and a clip that is longer than its video repeats the last frame: SlowFast
# slowfast/datasets/decoder.py.
clip = dict(
    type='mmhvt.SampleFrames', clip_len=16, frame_interval=4, target_fps=30, out_of_bound_opt='repeat_last')
# repeated augmentation (mvit, section 4; mvitv2, B.4), of one clip: SlowFast slowfast/datasets/kinetics.py
repeats = dict(num_repeats=2, sample_once=True)

# probability 0.5, 4 layers, maximum magnitude 7; the deviation of the magnitude: SlowFast
# configs/Kinetics/MVIT_B_16x4_CONV.yaml
rand_augment = dict(type='mmhvt.RandAugment', magnitude=7, magnitude_std=0.5, num_ops=4, prob=0.5)
random_crop = dict(type='RandomResizedCrop', area_range=(0.08, 1.0), aspect_ratio_range=(3 / 4, 4 / 3))
# probability 0.25; one region for the whole clip. Its area, and noise with the pixels' mean and deviation: SlowFast
# slowfast/datasets/random_erasing.py
random_erasing = dict(
    type='RandomErasing',
    erase_prob=0.25,
    min_area_ratio=0.02,
    max_area_ratio=1 / 3,
    mode='rand',
    fill_color=(114.75, 114.75, 114.75),
    fill_std=(57.375, 57.375, 57.375))

# what follows the decoding
augment = [
    # bounds the work of what follows; the usual copies of Kinetics have this size already
    dict(type='Resize', scale=(-1, 256)),
    rand_augment,
    random_crop,
    dict(type='Resize', scale=(224, 224), keep_ratio=False),
    dict(type='Flip', flip_ratio=0.5),
    random_erasing,
    dict(type='FormatShape', input_format='NCTHW'),
    dict(type='PackActionInputs')
]
center_crop = [
    dict(type='Resize', scale=(-1, 256)),
    dict(type='CenterCrop', crop_size=224),
    dict(type='FormatShape', input_format='NCTHW'),
    dict(type='PackActionInputs')
]
three_crops = [
    dict(type='Resize', scale=(-1, 256)),
    dict(type='mmhvt.ThreeCrop', crop_size=224),
    dict(type='FormatShape', input_format='NCTHW'),
    dict(type='PackActionInputs')
]

train_pipeline = [
    dict(type='mmhvt.DecordInit'),
    dict(num_clips=1, **clip),
    dict(type='DecordDecode'), *augment
]
# one center crop of the middle clip, to follow the training
val_pipeline = [
    dict(type='mmhvt.DecordInit'),
    dict(num_clips=1, test_mode=True, **clip),
    dict(type='DecordDecode'), *center_crop
]
# 1 spatial × 5 temporal views, the first of the two testing strategies (mvit, section 4; B.4)
test_pipeline = [
    dict(type='mmhvt.DecordInit'),
    dict(num_clips=5, test_mode=True, **clip),
    dict(type='DecordDecode'), *center_crop
]

# Clips of 16 frames with stride 4, for fine-tuning on Kinetics as in SMViT's table 11(b). "Our settings mainly follow
# Feichtenhofer et al. (2022)" (smvit, A.1): what neither the text nor a table has is that work's, SlowFast
# configs/masked_ssl/k400_VIT_L_16x4_FT.yaml.

# 16 frames: section 5. Strides count frames at 30 a second, the first and the last clip of a test touch the ends of the
# video, and a clip that is longer than its video repeats the last frame: SlowFast slowfast/datasets/decoder.py.
clip = dict(
    type='mmhvt.SampleFrames', clip_len=16, frame_interval=4, target_fps=30, out_of_bound_opt='repeat_last')
# Repeated sampling 2 (table 11(b)): an epoch of the loader is 2 effective epochs. Of one clip: AUG.NUM_SAMPLE.
repeats = dict(num_repeats=2, sample_once=True)

# RandAug (7, 0.5): table 11(b), magnitude 7 with noise of standard deviation 0.5. AA_TYPE rand-m7-mstd0.5-inc1 is 2
# operations, each with probability 0.5, of increasing strength.
rand_augment = dict(type='mmhvt.RandAugment', magnitude=7, magnitude_std=0.5, num_ops=2)
random_crop = dict(type='RandomResizedCrop', area_range=(0.08, 1.0), aspect_ratio_range=(3 / 4, 4 / 3))
# one region for the whole clip, of noise with the pixels' mean and deviation
random_erasing = dict(
    type='RandomErasing',
    erase_prob=0.25,
    min_area_ratio=0.02,
    max_area_ratio=1 / 3,
    mode='rand',
    fill_color=(114.75, 114.75, 114.75),
    fill_std=(57.375, 57.375, 57.375))

center_crop = [
    dict(type='Resize', scale=(-1, 224)),
    dict(type='CenterCrop', crop_size=224),
    dict(type='FormatShape', input_format='NCTHW'),
    dict(type='PackActionInputs')
]
# crops as high as the frame
three_crops = [
    dict(type='Resize', scale=(-1, 224)),
    dict(type='ThreeCrop', crop_size=224),
    dict(type='FormatShape', input_format='NCTHW'),
    dict(type='PackActionInputs')
]

train_pipeline = [
    dict(type='mmhvt.DecordInit', io_backend='disk'),
    dict(num_clips=1, **clip),
    dict(type='DecordDecode'),
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
# one center crop of the middle clip, to follow the training
val_pipeline = [
    dict(type='mmhvt.DecordInit', io_backend='disk'),
    dict(num_clips=1, test_mode=True, **clip),
    dict(type='DecordDecode'), *center_crop
]
# 3 spatial × 5 temporal views: section 4, table 4
test_pipeline = [
    dict(type='mmhvt.DecordInit', io_backend='disk'),
    dict(num_clips=5, test_mode=True, **clip),
    dict(type='DecordDecode'), *three_crops
]

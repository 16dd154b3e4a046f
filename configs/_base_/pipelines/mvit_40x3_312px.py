# Clips of 40 frames with stride 3 and 312², as MViTv2-L is fine-tuned on Kinetics (mvitv2, B.4: "For long-term models
# with 40×3 sampling"). Sizes of frames: SlowFast configs/Kinetics/MVITv2_L_40x3_test.yaml.
_base_ = 'mvit.py'

clip = dict(_base_.clip, clip_len=40, frame_interval=3)
# noise with ImageNet's mean and deviation, which MViTv2-L has
random_erasing = dict(
    _base_.random_erasing, fill_color=(123.675, 116.28, 103.53), fill_std=(58.395, 57.12, 57.375))

train_pipeline = [
    dict(type='mmhvt.DecordInit'),
    dict(num_clips=1, **clip),
    dict(type='DecordDecode'),
    # bounds the work of what follows
    dict(type='Resize', scale=(-1, 356)),
    _base_.rand_augment,
    _base_.random_crop,
    dict(type='Resize', scale=(312, 312), keep_ratio=False),
    dict(type='Flip', flip_ratio=0.5),
    random_erasing,
    dict(type='FormatShape', input_format='NCTHW'),
    dict(type='PackActionInputs')
]
# one center crop of the middle clip, to follow the training
val_pipeline = [
    dict(type='mmhvt.DecordInit'),
    dict(num_clips=1, test_mode=True, **clip),
    dict(type='DecordDecode'),
    dict(type='Resize', scale=(-1, 356)),
    dict(type='CenterCrop', crop_size=312),
    dict(type='FormatShape', input_format='NCTHW'),
    dict(type='PackActionInputs')
]
# 3 spatial × 5 temporal views, crops as high as the frame: SlowFast slowfast/datasets/kinetics.py
test_pipeline = [
    dict(type='mmhvt.DecordInit'),
    dict(num_clips=5, test_mode=True, **clip),
    dict(type='DecordDecode'),
    dict(type='Resize', scale=(-1, 312)),
    dict(type='mmhvt.ThreeCrop', crop_size=312),
    dict(type='FormatShape', input_format='NCTHW'),
    dict(type='PackActionInputs')
]

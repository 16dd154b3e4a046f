# Clips of 16 frames with stride 4, for fine-tuning as SMViT's table 11(b) does on Kinetics.
# "Our settings mainly follow Feichtenhofer et al. (2022)" (appendix A.1); where neither the text
# nor a table has a number, it is PySlowFast's for that work, and a comment says "paper silent".

# 16 frames: section 5. Stride 4: paper silent.
clip = dict(type='SampleFrames', clip_len=16, frame_interval=4)

train_pipeline = [
    dict(type='mmhvt.DecordInit', io_backend='disk'),
    dict(num_clips=1, **clip),
    dict(type='DecordDecode'),
    # bounds the work of what follows; the usual copies of Kinetics have this size already
    dict(type='Resize', scale=(-1, 256)),
    # RandAug (7, 0.5): table 11(b), read as magnitude 7 with noise of standard deviation 0.5.
    # 4 operations, each with probability 0.5, of increasing strength: paper silent.
    dict(type='mmhvt.RandAugment', magnitude=7, magnitude_std=0.5, num_ops=4),
    # area and aspect ratio: paper silent
    dict(type='RandomResizedCrop', area_range=(0.08, 1.0), aspect_ratio_range=(3 / 4, 4 / 3)),
    dict(type='Resize', scale=(224, 224), keep_ratio=False),
    # paper silent for fine-tuning; table 11(a) has it for pre-training
    dict(type='Flip', flip_ratio=0.5),
    # no random erasing: table 11(b) lists none
    dict(type='FormatShape', input_format='NCTHW'),
    dict(type='PackActionInputs')
]
# one center crop of the middle clip, to follow the training
val_pipeline = [
    dict(type='mmhvt.DecordInit', io_backend='disk'),
    dict(num_clips=1, test_mode=True, **clip),
    dict(type='DecordDecode'),
    dict(type='Resize', scale=(-1, 224)),
    dict(type='CenterCrop', crop_size=224),
    dict(type='FormatShape', input_format='NCTHW'),
    dict(type='PackActionInputs')
]
# 3 spatial × 5 temporal views: section 4, table 4
test_pipeline = [
    dict(type='mmhvt.DecordInit', io_backend='disk'),
    dict(num_clips=5, test_mode=True, **clip),
    dict(type='DecordDecode'),
    # crops as high as the frame: paper silent
    dict(type='Resize', scale=(-1, 224)),
    dict(type='ThreeCrop', crop_size=224),
    dict(type='FormatShape', input_format='NCTHW'),
    dict(type='PackActionInputs')
]

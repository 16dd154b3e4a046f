# Something-Something V2, clips of 16 frames, for UniFormerV2 (uniformerv2, table 11): all as for
# Kinetics-400 but for flips, since classes differ in direction, repeated sampling and views.
_base_ = 'kinetics400_uniformerv2.py'

data_root = 'data/sthv2/videos'
ann_file_train = 'data/sthv2/sthv2_train_list_videos.txt'
ann_file_val = 'data/sthv2/sthv2_val_list_videos.txt'
num_classes = 174

clip = dict(type='UniformSample', clip_len=16)

train_pipeline = [
    dict(type='mmhvt.DecordInit'),
    clip,
    dict(type='DecordDecode'),
    # bounds the work of what follows
    dict(type='Resize', scale=(-1, 256)),
    # rand-m7-n4-mstd0.5-inc1
    dict(
        type='mmhvt.RandAugment',
        magnitude=7,
        magnitude_std=0.5,
        num_ops=4),
    # "Inception-style cropping"
    dict(
        type='RandomResizedCrop',
        area_range=(0.08, 1.0),
        aspect_ratio_range=(0.75, 1.33)),
    dict(type='Resize', scale=(224, 224), keep_ratio=False),
    # beside RandAugment, as the table has both; without hue, as timm
    dict(
        type='ColorJitter',
        brightness=0.4,
        contrast=0.4,
        saturation=0.4,
        hue=0.0),
    dict(type='FormatShape', input_format='NCTHW'),
    dict(type='PackActionInputs')
]
# one centre crop, to follow the training
val_pipeline = [
    dict(type='mmhvt.DecordInit'),
    dict(test_mode=True, **clip),
    dict(type='DecordDecode'),
    dict(type='Resize', scale=(-1, 224)),
    dict(type='CenterCrop', crop_size=224),
    dict(type='FormatShape', input_format='NCTHW'),
    dict(type='PackActionInputs')
]
# 3 crops of one clip (table 4), crops as high as the frame: paper silent, as mmaction2 for Kinetics
test_pipeline = [
    dict(type='mmhvt.DecordInit'),
    dict(test_mode=True, **clip),
    dict(type='DecordDecode'),
    dict(type='Resize', scale=(-1, 224)),
    dict(type='ThreeCrop', crop_size=224),
    dict(type='FormatShape', input_format='NCTHW'),
    dict(type='PackActionInputs')
]

# repeated sampling 2: a video is read once an epoch and gives 2 clips
train_dataloader = dict(
    batch_size=8,
    dataset=dict(
        num_repeats=2,
        ann_file=ann_file_train,
        data_prefix=dict(video=data_root),
        num_classes=num_classes,
        pipeline=train_pipeline))
val_dataloader = dict(
    dataset=dict(
        ann_file=ann_file_val,
        data_prefix=dict(video=data_root),
        num_classes=num_classes,
        pipeline=val_pipeline))
test_dataloader = dict(
    dataset=dict(
        ann_file=ann_file_val,
        data_prefix=dict(video=data_root),
        num_classes=num_classes,
        pipeline=test_pipeline))

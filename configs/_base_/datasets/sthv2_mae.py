# Something-Something V2 for masked pre-training as in SMViT's table 12(a). Labels are not read.
train_pipeline = [
    dict(type='mmhvt.DecordInit'),
    # one frame from each of 16 segments: SlowFast slowfast/datasets/ssv2.py
    dict(type='UniformSample', clip_len=16),
    dict(type='DecordDecode'),
    # crop [0.5, 1]: table 12(a), the share of the area. Aspect ratio: SlowFast
    # configs/masked_ssl/k400_VIT_L_16x4_MAE_PT.yaml.
    dict(
        type='RandomResizedCrop',
        area_range=(0.5, 1.0),
        aspect_ratio_range=(3 / 4, 4 / 3)),
    dict(type='Resize', scale=(224, 224), keep_ratio=False),
    # no flip: table 12(a) lists none, and classes differ in direction
    dict(type='FormatShape', input_format='NCTHW'),
    dict(type='PackActionInputs')
]

# no repeated sampling: table 12(a) lists none
train_dataloader = dict(
    num_workers=8,
    persistent_workers=True,
    sampler=dict(type='DefaultSampler', shuffle=True),
    # mmpretrain's default would stack inputs, which mmaction's preprocessor does
    collate_fn=dict(type='pseudo_collate'),
    dataset=dict(
        # the names of its pipeline are mmaction's
        _scope_='mmaction',
        type='mmhvt.VideoDataset',
        ann_file='data/sthv2/sthv2_train_list_videos.txt',
        data_prefix=dict(video='data/sthv2/videos'),
        # pre-training reads no labels; a list without them is enough
        labels='ignored',
        pipeline=train_pipeline))

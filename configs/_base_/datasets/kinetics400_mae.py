# Kinetics-400, clips of 16 frames with stride 4, for masked pre-training as in SMViT's table 11(a). Labels are not
# read.
file_client_args = dict(io_backend='disk')

train_pipeline = [
    dict(type='mmhvt.DecordInit', **file_client_args),
    # 16 frames: section 5. Stride 4: hiera README.md. Strides count frames at 30 a second, and a clip that is longer
    # than its video repeats the last frame: SlowFast slowfast/datasets/decoder.py.
    dict(type='mmhvt.SampleFrames', clip_len=16, frame_interval=4, target_fps=30, out_of_bound_opt='repeat_last'),
    dict(type='DecordDecode'),
    # crop [0.5, 1]: table 11(a), the share of the area. Aspect ratio: SlowFast
    # configs/masked_ssl/k400_VIT_L_16x4_MAE_PT.yaml.
    dict(
        type='RandomResizedCrop',
        area_range=(0.5, 1.0),
        aspect_ratio_range=(3 / 4, 4 / 3)),
    dict(type='Resize', scale=(224, 224), keep_ratio=False),
    dict(type='Flip', flip_ratio=0.5),
    dict(type='FormatShape', input_format='NCTHW'),
    dict(type='PackActionInputs')
]

# Repeated sampling 4 (table 11(a)): a video is read once per epoch and yields 4 clips from different places (SlowFast
# configs/masked_ssl/k400_VIT_L_16x4_MAE_PT.yaml), each cropped and masked on its own, so a batch of n videos is one of
# 4n clips, and an epoch of the loader is 4 effective epochs. The recipe sets the batch size, in videos.
train_dataloader = dict(
    num_workers=8,
    persistent_workers=True,
    sampler=dict(type='DefaultSampler', shuffle=True),
    collate_fn=dict(type='repeat_pseudo_collate'),
    dataset=dict(
        # the names of its pipeline are mmaction's
        _scope_='mmaction',
        type='mmhvt.RepeatAugDataset',
        num_repeats=4,
        ann_file='data/kinetics400/kinetics400_train_list_videos.txt',
        data_prefix=dict(video='data/kinetics400/videos_train'),
        # pre-training reads no labels; a list without them is enough
        labels='ignored',
        pipeline=train_pipeline))

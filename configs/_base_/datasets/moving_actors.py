# Generated videos of several actors with annotations in the format of AVA; 8 actions that differ
# in motion alone:
#   python tools/data/moving_actors.py data/moving_actors
dataset_type = 'mmhvt.AVADataset'
data_root = 'data/moving_actors'
anno_root = f'{data_root}/annotations'
# with class 0, which AVA's code reserves
num_classes = 9

ann_file_train = f'{anno_root}/moving_actors_train.csv'
ann_file_val = f'{anno_root}/moving_actors_val.csv'
exclude_file_train = f'{anno_root}/moving_actors_train_excluded_timestamps.csv'
exclude_file_val = f'{anno_root}/moving_actors_val_excluded_timestamps.csv'
label_file = f'{anno_root}/moving_actors_action_list.pbtxt'
proposal_file_train = f'{anno_root}/moving_actors_proposals_train.pkl'
proposal_file_val = f'{anno_root}/moving_actors_proposals_val.pkl'

# 8 frames from half a second before the key frame to 3/8 of a second after it. Never flip: it turns an action into its
# opposite.
clip = dict(type='mmhvt.SampleKeyFrameClip', clip_len=8, frame_interval=2, target_fps=16)

train_pipeline = [
    dict(type='mmhvt.DecordInit'),
    clip,
    dict(type='DecordDecode'),
    dict(type='FormatShape', input_format='NCTHW', collapse=True),
    dict(type='PackActionInputs')
]
val_pipeline = train_pipeline
test_pipeline = val_pipeline

train_dataloader = dict(
    batch_size=8,
    num_workers=1,
    persistent_workers=True,
    sampler=dict(type='DefaultSampler', shuffle=True),
    dataset=dict(
        type=dataset_type,
        ann_file=ann_file_train,
        exclude_file=exclude_file_train,
        label_file=label_file,
        proposal_file=proposal_file_train,
        data_prefix=dict(img=f'{data_root}/videos_train'),
        use_frames=False,
        timestamp_start=0,
        num_classes=num_classes,
        pipeline=train_pipeline))
val_dataloader = dict(
    batch_size=1,
    num_workers=1,
    persistent_workers=True,
    sampler=dict(type='DefaultSampler', shuffle=False),
    dataset=dict(
        type=dataset_type,
        ann_file=ann_file_val,
        exclude_file=exclude_file_val,
        label_file=label_file,
        proposal_file=proposal_file_val,
        data_prefix=dict(img=f'{data_root}/videos_val'),
        use_frames=False,
        timestamp_start=0,
        num_classes=num_classes,
        pipeline=val_pipeline,
        test_mode=True))
test_dataloader = val_dataloader

val_evaluator = dict(
    type='mmhvt.AVAMetric',
    ann_file=ann_file_val,
    label_file=label_file,
    exclude_file=exclude_file_val,
    num_classes=num_classes)
test_evaluator = val_evaluator

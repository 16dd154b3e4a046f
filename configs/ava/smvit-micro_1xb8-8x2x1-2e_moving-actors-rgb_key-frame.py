# The same model, trained and tested on clips that repeat their key frame: what does a still tell of
# an action?
_base_ = ['smvit-micro_1xb8-8x2x1-2e_moving-actors-rgb.py']

train_pipeline = [
    dict(type='mmhvt.DecordInit'),
    dict(type='mmhvt.SampleKeyFrameClip', clip_len=8, frame_interval=2, target_fps=16),
    dict(type='mmhvt.RepeatKeyFrame'),
    dict(type='DecordDecode'),
    dict(type='FormatShape', input_format='NCTHW', collapse=True),
    dict(type='PackActionInputs')
]
train_dataloader = dict(dataset=dict(pipeline=train_pipeline))
val_dataloader = dict(dataset=dict(pipeline=train_pipeline))
test_dataloader = val_dataloader

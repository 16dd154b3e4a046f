# ViT-B 8×8, the baseline of MViT, on Kinetics-400 from scratch: 68.5 top-1 in 1 × 5 views in the
# paper (table 4), trained as MViT is (section 4.1).
_base_ = [
    '../_base_/models/vit_base.py',
    '../_base_/datasets/kinetics400.py',
    '../_base_/pipelines/mvit.py',
    '../_base_/schedules/adamw_200e_kinetics.py',
    '../_base_/default_runtime.py'
]

# table 1: 8 frames with stride 8
clip = dict(_base_.clip, clip_len=8, frame_interval=8)
train_pipeline = [
    dict(type='mmhvt.DecordInit'),
    dict(num_clips=1, **clip),
    dict(type='DecordDecode'), *_base_.augment
]
val_pipeline = [
    dict(type='mmhvt.DecordInit'),
    dict(num_clips=1, test_mode=True, **clip),
    dict(type='DecordDecode'), *_base_.center_crop
]
# 1 spatial × 5 temporal views
test_pipeline = [
    dict(type='mmhvt.DecordInit'),
    dict(num_clips=5, test_mode=True, **clip),
    dict(type='DecordDecode'), *_base_.center_crop
]
train_dataloader = dict(
    batch_size=2,  # videos, 4 clips a GPU: 512 in all with 128 GPUs
    dataset=dict(pipeline=train_pipeline, **_base_.repeats))
val_dataloader = dict(dataset=dict(pipeline=val_pipeline))
test_dataloader = dict(dataset=dict(pipeline=test_pipeline))

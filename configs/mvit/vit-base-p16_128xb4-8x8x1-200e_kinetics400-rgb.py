# ViT-B 8×8, the baseline of MViT, on Kinetics-400 from scratch: 68.5 top-1 in 1 × 5 views in the
# paper (table 4), trained as MViT is (section 4.1).
_base_ = [
    '../_base_/models/vit_base.py',
    '../_base_/datasets/kinetics400_mvit.py',
    '../_base_/schedules/adamw_200e_kinetics.py',
    '../_base_/default_runtime.py'
]

# table 1: 8 frames with stride 8
clip = dict(clip_len=8, frame_interval=8)
train_pipeline = _base_.train_pipeline
val_pipeline = _base_.val_pipeline
test_pipeline = _base_.test_pipeline
train_pipeline[1].update(clip)
val_pipeline[1].update(clip)
test_pipeline[1].update(clip)
train_dataloader = dict(dataset=dict(pipeline=train_pipeline))
val_dataloader = dict(dataset=dict(pipeline=val_pipeline))
test_dataloader = dict(dataset=dict(pipeline=test_pipeline))

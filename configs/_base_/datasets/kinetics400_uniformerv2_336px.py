# Kinetics-400, clips of 8 frames of 336² pixels, for UniFormerV2 (uniformerv2, tables 1 and 11).
_base_ = 'kinetics400_uniformerv2.py'

# 384 is to 336 as 256 is to 224: paper silent
train_pipeline = _base_.train_pipeline
val_pipeline = _base_.val_pipeline
test_pipeline = _base_.test_pipeline
train_pipeline[3].update(scale=(-1, 384))
train_pipeline[6].update(scale=(336, 336))
val_pipeline[3].update(scale=(-1, 336))
val_pipeline[4].update(crop_size=336)
test_pipeline[3].update(scale=(-1, 336))
test_pipeline[4].update(crop_size=336)

train_dataloader = dict(dataset=dict(pipeline=train_pipeline))
val_dataloader = dict(dataset=dict(pipeline=val_pipeline))
test_dataloader = dict(dataset=dict(pipeline=test_pipeline))

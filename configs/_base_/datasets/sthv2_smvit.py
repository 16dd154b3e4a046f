# Something-Something V2, one frame from each of 16 segments (paper silent), for SMViT's table 12(b) and (c).
# RandAug (7, 0.5) is read as for Kinetics; random crop, and no flip: as for MViT.
_base_ = 'sthv2_mvit.py'

train_pipeline = _base_.train_pipeline
# no random erasing: table 12 lists none
train_pipeline.pop(7)
# frames as high as the crops, as for Kinetics: paper silent
val_pipeline = _base_.val_pipeline
val_pipeline[3].update(scale=(-1, 224))
test_pipeline = _base_.test_pipeline
test_pipeline[3].update(scale=(-1, 224))
test_pipeline[4].update(type='ThreeCrop')  # 3 × 1 views: table 6

# no repeated sampling: table 12 lists none
train_dataloader = dict(dataset=dict(pipeline=train_pipeline))
val_dataloader = dict(dataset=dict(pipeline=val_pipeline))
test_dataloader = dict(dataset=dict(pipeline=test_pipeline))

# SMViT-H on Places365 at 448²: 60.6 top-1 in the paper (table 9).
# Appendix A.2 for the position embeddings; the rest is as for 224².
_base_ = 'smvit-huge_mae-in1k-pre_64xb16-50e_places365.py'

# position embeddings are resized as the file is loaded
model = dict(backbone=dict(input_size=(448, 448)))

# half of the full learning rate "instead of following the layer-wise decay rule"
optim_wrapper = dict(
    paramwise_cfg=dict(
        custom_keys=dict(pos_embed=dict(lr_mult=0.5))))

train_pipeline = _base_.train_pipeline
train_pipeline[1].update(scale=448)
# the largest centre crop: paper silent
test_pipeline = _base_.test_pipeline
test_pipeline[1].update(scale=448)
test_pipeline[2].update(crop_size=448)
train_dataloader = dict(
    batch_size=8,  # 1024 in all with 128 GPUs
    dataset=dict(pipeline=train_pipeline))
val_dataloader = dict(dataset=dict(pipeline=test_pipeline))
test_dataloader = dict(dataset=dict(pipeline=test_pipeline))

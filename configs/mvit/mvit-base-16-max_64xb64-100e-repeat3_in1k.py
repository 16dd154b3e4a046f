# MViT-B-16 with max-pooling on ImageNet-1K: 82.5 top-1 in the paper (table 17).
_base_ = 'mvit-base-16_64xb64-100e-repeat3_in1k.py'

model = dict(
    backbone=dict(
        pool_mode='max',
        # table 15
        pool_kernel='s+1'))

train_pipeline = _base_.train_pipeline
# 4 layers, for max-pooling
train_pipeline[3].update(num_policies=4)
train_dataloader = dict(dataset=dict(pipeline=train_pipeline))

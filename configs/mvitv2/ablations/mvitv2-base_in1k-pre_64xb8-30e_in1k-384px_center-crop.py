# Tests MViTv2-B at 384² on a center crop: 85.2 top-1 (table A.3).
_base_ = '../mvitv2-base_in1k-pre_64xb8-30e_in1k-384px.py'

# as much larger than the crop as 256 is than 224: mvit mvit/datasets/imagenet.py
test_pipeline = [
    dict(type='LoadImageFromFile'),
    dict(type='ResizeEdge', scale=438, edge='short', backend='pillow', interpolation='bicubic'),
    dict(type='CenterCrop', crop_size=384),
    dict(type='PackInputs')
]
val_dataloader = dict(dataset=dict(pipeline=test_pipeline))
test_dataloader = val_dataloader

# An SMViT that learns small images from scratch in a minute on a CPU.
_base_ = 'smvit_base_image.py'

model = dict(
    backbone=dict(
        arch=dict(_delete_=True, embed_dims=32, num_heads=1, depths=(1, 1, 2, 1)),
        input_size=(32, 32),
        drop_path_rate=0.0,
        # the paper's initialization is made for long masked pre-training
        init_cfg=dict(type='Xavier', layer='Linear', distribution='uniform')),
    head=dict(
        num_classes=10,
        in_channels=256,
        init_cfg=dict(std=0.02)),
    train_cfg=None)

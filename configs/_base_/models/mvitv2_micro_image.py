# An MViTv2 that learns small images from scratch in a minute on a CPU.
_base_ = 'mvit_base_image.py'

model = dict(
    backbone=dict(
        arch=dict(_delete_=True, version=2, embed_dims=32, num_heads=1, depths=(1, 2, 1)),
        input_size=(32, 32),
        drop_path_rate=0.0,
        # from scratch and in a few epochs, larger weights than the paper's
        init_cfg=dict(type='Xavier', layer='Linear', distribution='uniform')),
    head=dict(num_classes=10, in_channels=128),
    train_cfg=None)

# An MViTv2 that learns motion from scratch in minutes on a CPU, on clips of 8 frames of 32² pixels.
_base_ = 'mvit_base.py'

model = dict(
    data_preprocessor=dict(blending=None),
    backbone=dict(
        arch=dict(_delete_=True, version=2, embed_dims=48, num_heads=1, depths=(1, 1, 2, 1)),
        input_size=(8, 32, 32),
        drop_path_rate=0.0,
        # from scratch and in a few epochs, larger weights than the paper's
        init_cfg=dict(type='Xavier', layer='Linear', distribution='uniform')),
    cls_head=dict(
        num_classes=8,
        in_channels=384,
        dropout_ratio=0.0,
        label_smooth_eps=0.0))

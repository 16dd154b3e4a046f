# A Video Swin that learns motion from scratch in minutes on a CPU, on clips of 8 frames of 32² pixels.
_base_ = 'video_swin_tiny.py'

model = dict(
    backbone=dict(
        arch=dict(_delete_=True, embed_dims=48, num_heads=(2, 4, 8), depths=(2, 2, 2)),
        input_size=(8, 32, 32),
        # of 4 × 8 × 8 tokens, so that windows shift in time and space
        window_size=(2, 4, 4),
        drop_path_rate=0.0,
        # from scratch and in a few epochs, larger weights than the paper's
        init_cfg=dict(
            _delete_=True,
            type='Xavier',
            layer='Linear',
            distribution='uniform')),
    cls_head=dict(
        num_classes=8,
        in_channels=192,
        dropout_ratio=0.0,
        init_scale=1.0,
        init_cfg=None))

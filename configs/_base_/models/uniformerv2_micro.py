# A UniFormerV2 that learns motion from scratch in minutes on a CPU, on clips of 8 frames of 32² pixels. Patches are of
# single frames and no global UniBlock gathers the clip: only the local UniBlocks relate frames to one another.
_base_ = 'uniformerv2_base.py'

model = dict(
    backbone=dict(
        arch=dict(_delete_=True, embed_dims=64, num_heads=2, depth=3, patch_size=8),
        input_size=(8, 32, 32),
        vit='vit',
        local_layers='all',
        global_layers=None,
        global_dropout=0.0,
        # from scratch and in a few epochs, larger weights than the paper's
        init_cfg=dict(
            _delete_=True,
            type='Xavier',
            layer='Linear',
            distribution='uniform')),
    cls_head=dict(
        num_classes=8,
        in_channels=64,
        dropout_ratio=0.0))

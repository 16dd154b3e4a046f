# UniFormerV2-B/16 on clips of 16 frames of Something-Something (uniformerv2, table 11): "we adopt all the designs and
# insert the global UniBlocks in the last 8/16 layers" (appendix A).
_base_ = 'uniformerv2_base.py'

model = dict(
    backbone=dict(
        input_size=(16, 224, 224),
        local_layers='all',
        global_layers='last 8',
        temporal_downsample=True,
        drop_path_rate=0.2,
        global_drop_path_rate=0.4),
    cls_head=dict(num_classes=174))

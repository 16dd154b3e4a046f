# UniFormerV2-B/16 on Kinetics-710 from CLIP, 8 frames: the paper has no result.
_base_ = [
    '../_base_/models/uniformerv2_base.py',
    '../_base_/datasets/kinetics710_uniformerv2.py',
    '../_base_/schedules/adamw_55e_uniformerv2.py',
    '../_base_/default_runtime.py'
]

model = dict(cls_head=dict(num_classes=710))

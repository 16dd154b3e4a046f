# Mask R-CNN with the heads of the SMViT paper (appendix A.2): 2 hidden convolutions in the RPN and
# 4 in the heads of the regions, the latter and the FPN with LayerNorm over channels, as ViTDet,
# which it follows, has them.
_base_ = ['mmdet::_base_/models/mask-rcnn_r50_fpn.py']

norm_cfg = dict(type='mmhvt.LN2d', eps=1e-6)
model = dict(
    data_preprocessor=dict(pad_size_divisor=32),
    backbone=dict(
        _delete_=True,
        type='mmhvt.SMViT',
        arch='base',
        input_size=(1024, 1024),
        drop_path_rate=0.1,
        out_indices=(0, 1, 2, 3),
        out_type='featmap'),
    neck=dict(in_channels=[96, 192, 384, 768], norm_cfg=norm_cfg),
    rpn_head=dict(num_convs=2),
    roi_head=dict(
        bbox_head=dict(type='Shared4Conv1FCBBoxHead', norm_cfg=norm_cfg),
        mask_head=dict(norm_cfg=norm_cfg)))

# Cascade Mask R-CNN on MViTv2-T (mvitv2, B.3), as Detectron2 has it: one mask head for all stages. The paper
# is silent about the heads; these are of the SMViT paper's form (its appendix A.2): 2 hidden convolutions in
# the RPN and 4 in the heads of the regions, with LayerNorm over channels.
_base_ = ['mmdet::_base_/models/cascade-mask-rcnn_r50_fpn.py']

norm_cfg = dict(type='mmhvt.LN2d', eps=1e-6)
# those of the three stages, which differ in their bbox_coder and losses
bbox_head = [
    dict(head, type='Shared4Conv1FCBBoxHead', norm_cfg=norm_cfg)
    for head in _base_.model.roi_head.bbox_head
]
model = dict(
    backbone=dict(
        _delete_=True,
        type='mmhvt.MViT',
        arch='v2_tiny',
        # of the pre-training: relative positions are resized to the image's as it comes
        input_size=(224, 224),
        # hybrid window attention: a window has the size of the pre-training's grid
        window_size=56,
        drop_path_rate=0.1,
        out_indices=(0, 1, 2, 3),
        out_type='featmap',
        init_cfg=dict(
            type='Pretrained',
            checkpoint='https://dl.fbaipublicfiles.com/mvit/mvitv2_models/MViTv2_T_in1k.pyth')),
    neck=dict(in_channels=[96, 192, 384, 768], norm_cfg=norm_cfg),
    rpn_head=dict(type='mmhvt.NormedRPNHead', num_convs=2),
    roi_head=dict(
        type='mmhvt.OneMaskCascadeRoIHead',
        bbox_head=bbox_head,
        mask_head=dict(norm_cfg=norm_cfg)))

# Cascade Mask R-CNN on MViTv2-T (mvitv2, B.3) as detectron2 projects/MViTv2/configs/cascade_mask_rcnn_mvitv2_t_3x.py
# has it: 2 hidden convolutions in the RPN, 4 with BatchNorm over all GPUs in the heads of the regions, and one mask
# head for all stages.
_base_ = ['mmdet::_base_/models/cascade-mask-rcnn_r50_fpn.py']

norm_cfg = dict(type='SyncBN')
loss_bbox = dict(type='L1Loss', loss_weight=1.0)
# of each stage, with better and better boxes
bbox_head = [
    dict(
        head,
        type='Shared4Conv1FCBBoxHead',
        norm_cfg=norm_cfg,
        bbox_coder=dict(head.bbox_coder, target_stds=[0.1 / stage, 0.1 / stage, 0.2 / stage, 0.2 / stage]),
        loss_bbox=loss_bbox)
    for stage, head in enumerate(_base_.model.roi_head.bbox_head, 1)
]
# later stages learn from all regions of the first
rcnn = [
    dict(stage, sampler=dict(stage.sampler, pos_fraction=share))
    for stage, share in zip(_base_.model.train_cfg.rcnn, (0.25, 1.0, 1.0), strict=True)
]
model = dict(
    backbone=dict(
        _delete_=True,
        type='mmhvt.MViT',
        arch='v2_tiny',
        # of the pre-training: relative positions are resized to each image
        input_size=(224, 224),
        # hybrid window attention: a window has the size of the pre-training's grid
        window_size=56,
        drop_path_rate=0.1,
        out_indices=(0, 1, 2, 3),
        out_type='featmap',
        init_cfg=dict(
            type='Pretrained',
            checkpoint='https://dl.fbaipublicfiles.com/mvit/mvitv2_models/MViTv2_T_in1k.pyth')),
    neck=dict(in_channels=[96, 192, 384, 768]),
    rpn_head=dict(num_convs=2, loss_bbox=dict(_delete_=True, **loss_bbox)),
    roi_head=dict(
        type='mmhvt.OneMaskCascadeRoIHead',
        # gradients of the features of regions are divided by the number of stages instead
        stage_loss_weights=[1, 1, 1],
        bbox_head=bbox_head,
        mask_head=dict(norm_cfg=norm_cfg)),
    train_cfg=dict(rpn=dict(allowed_border=-1), rpn_proposal=dict(max_per_img=1000), rcnn=rcnn))

# The smallest SMViT, Faster R-CNN, on the boxes of generated shapes: trains in minutes on a CPU.
_base_ = [
    '../_base_/models/faster-rcnn_mvitv2_fpn.py',
    '../_base_/datasets/shapes_coco_detection.py',
    '../_base_/schedules/adamw_5e_micro.py',
    '../_base_/default_runtime_det.py'
]

width = 32
model = dict(
    backbone=dict(
        _delete_=True,
        type='mmhvt.SMViT',
        arch=dict(embed_dims=48, num_heads=1, depths=(1, 1, 2, 1)),
        input_size=(160, 160),
        out_indices=(0, 1, 2, 3),
        out_type='featmap',
        init_cfg=dict(type='Xavier', layer='Linear', distribution='uniform')),
    neck=dict(in_channels=[48, 96, 192, 384], out_channels=width, num_outs=4),
    rpn_head=dict(
        in_channels=width,
        feat_channels=width,
        # 12, 24, 48 and 96 pixels
        anchor_generator=dict(scales=[3], strides=[4, 8, 16, 32])),
    roi_head=dict(
        bbox_roi_extractor=dict(out_channels=width),
        bbox_head=dict(in_channels=width, fc_out_channels=128, num_classes=5)),
    train_cfg=dict(
        rpn=dict(sampler=dict(num=128)),
        rpn_proposal=dict(nms_pre=500, max_per_img=200),
        rcnn=dict(sampler=dict(num=64))),
    test_cfg=dict(
        rpn=dict(nms_pre=500, max_per_img=200), rcnn=dict(max_per_img=50)))

optim_wrapper = dict(optimizer=dict(lr=1e-3))
param_scheduler = [dict(_base_.one_cycle, eta_max=1e-3)]

env_cfg = dict(dist_cfg=dict(backend='gloo'))
default_hooks = dict(checkpoint=dict(max_keep_ckpts=1))
randomness = dict(seed=0)
auto_scale_lr = dict(base_batch_size=4)

# MViTv2-L, Cascade Mask R-CNN, from ImageNet-21K: 56.9 box AP and 48.6 mask AP in the paper, with several scales
# 58.7 and 50.5 (table A.1). The "stronger recipe" of B.3: large-scale jittering, 50 epochs.
#
# Table A.1's 270 M parameters and 1519 GFLOPs are nearest to expand_in='mlp' (269.7 M, 1542 G), as the weights of
# ImageNet-1K have it; the public weights of ImageNet-21K use 'attn' (265.1 M, 1497 G).
_base_ = [
    '../_base_/models/cascade-mask-rcnn_mvitv2_fpn.py',
    '../_base_/datasets/coco_instance_lsj-1333.py',
    '../_base_/schedules/adamw_36e_coco.py',
    '../_base_/default_runtime_det.py'
]

model = dict(
    backbone=dict(
        arch='v2_large',
        drop_path_rate=0.5,
        # the class token in the file has no place here: it belongs to no window
        init_cfg=dict(
            checkpoint='https://dl.fbaipublicfiles.com/mvit/mvitv2_models/MViTv2_L_in21k.pyth')),
    neck=dict(in_channels=[144, 288, 576, 1152]),
    # "We adopt SoftNMS during inference" (A.1)
    test_cfg=dict(
        rcnn=dict(nms=dict(type='soft_nms', iou_threshold=0.5))))

train_cfg = dict(max_epochs=50, val_interval=5)
# at 81 944 and 88 773 of 92 187 iterations: detectron2
# projects/MViTv2/configs/cascade_mask_rcnn_mvitv2_l_in21k_lsj_50ep.py
param_scheduler = [
    dict(
        type='LinearLR', start_factor=1e-3, by_epoch=False, begin=0, end=250),
    dict(
        type='MultiStepLR',
        by_epoch=True,
        begin=0,
        end=50,
        milestones=[44, 48],
        gamma=0.1)
]

# MViTv2-S, Mask R-CNN, from ImageNet-21K: 50.2 box AP and 45.1 mask AP in the paper (table A.5).
_base_ = [
    '../_base_/models/mask-rcnn_mvitv2_fpn.py',
    '../_base_/datasets/coco_instance_ms-crop.py',
    '../_base_/schedules/adamw_36e_coco.py',
    '../_base_/default_runtime_det.py'
]

model = dict(
    backbone=dict(
        arch='v2_small',
        drop_path_rate=0.3,
        # there are no public weights of MViTv2-S from ImageNet-21K
        init_cfg=dict(checkpoint='work_dirs/mvitv2-small_64xb32-90e_in21k/epoch_90.pth')))

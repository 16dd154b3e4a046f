# SMViT-B, Mask R-CNN: 52.1 box AP and 46.2 mask AP in the paper (table 10). Numbers are those of table A2.
_base_ = [
    '../_base_/models/mask-rcnn_smvit_fpn.py',
    '../_base_/datasets/coco_instance_lsj.py',
    '../_base_/schedules/adamw_100e_coco.py',
    '../_base_/default_runtime_det.py'
]

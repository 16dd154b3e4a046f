# MViTv2-B from ImageNet-21K as in the SMViT paper's comparison: 53.1 box AP and 47.4 mask AP there (table 10).
_base_ = [
    '../_base_/models/mask-rcnn_smvit_fpn.py',
    '../_base_/datasets/coco_instance_lsj.py',
    '../_base_/schedules/adamw_100e_coco.py',
    '../_base_/default_runtime_det.py'
]

model = dict(
    backbone=dict(
        _delete_=True,
        type='mmhvt.MViT',
        arch='v2_base',
        # of the pre-training
        input_size=(224, 224),
        # hybrid window attention: a window has the size of the pre-training's grid
        window_size=56,
        drop_path_rate=0.4,
        out_indices=(0, 1, 2, 3),
        out_type='featmap',
        # the class token in the file has no place here: it belongs to no window
        init_cfg=dict(
            type='Pretrained',
            checkpoint='https://dl.fbaipublicfiles.com/mvit/mvitv2_models/MViTv2_B_in21k.pyth')))

# for 64 images: detectron2 projects/ViTDet/configs/COCO/cascade_mask_rcnn_mvitv2_b_in21k_100ep.py
optim_wrapper = dict(optimizer=dict(lr=8e-5))

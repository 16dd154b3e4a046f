# MViTv2-B as in the SMViT paper's comparison: 52.4 box AP and 46.7 mask AP there (table 10). Heads, augmentation and
# epochs are those of SMViT, "for SMViT and all comparison detection methods" (appendix A.2), the drop path is MViTv2's
# own (mvitv2, B.3).
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
        init_cfg=dict(
            type='Pretrained',
            checkpoint='https://dl.fbaipublicfiles.com/mvit/mvitv2_models/MViTv2_B_in1k.pyth')))

# for 64 images: detectron2 projects/ViTDet/configs/COCO/cascade_mask_rcnn_mvitv2_b_in21k_100ep.py
optim_wrapper = dict(optimizer=dict(lr=8e-5))

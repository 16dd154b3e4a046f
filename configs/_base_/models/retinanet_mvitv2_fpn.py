# RetinaNet on MViTv2-T. Not from a paper: the pyramid from strides 8, 16 and 32 is that of mmdet's RetinaNet on Swin-T
# (mmdet::swin/retinanet_swin-t-p4-w7_fpn_1x_coco.py).
_base_ = ['mmdet::_base_/models/retinanet_r50_fpn.py']

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
        # only those that the neck uses
        out_indices=(1, 2, 3),
        out_type='featmap',
        init_cfg=dict(
            type='Pretrained',
            checkpoint='https://dl.fbaipublicfiles.com/mvit/mvitv2_models/MViTv2_T_in1k.pyth')),
    neck=dict(in_channels=[192, 384, 768], start_level=0))

# MViTv2-L as what the SMViT paper compares with: 53.2 box AP and 47.1 mask AP there (table 10).
_base_ = 'mask-rcnn_mvitv2-base_in1k-pre_fpn_64xb1-lsj-100e_coco.py'

model = dict(
    backbone=dict(
        arch='v2_large',
        # the public weights of ImageNet-1K, and the 239 M parameters of table 10, are of this
        expand_in='mlp',
        drop_path_rate=0.5,
        init_cfg=dict(
            checkpoint='https://dl.fbaipublicfiles.com/mvit/mvitv2_models/MViTv2_L_in1k.pyth')),
    # which leaves a stage with the channels of the next
    neck=dict(in_channels=[288, 576, 1152, 1152]))

# Mask R-CNN on SMViT-B with the heads of the SMViT paper (appendix A.2): 2 hidden convolutions in the RPN and 4 in the
# heads of the regions, all followed by LayerNorm over channels. All else after the backbone is ViTDet's, which it
# follows (detectron2 configs/common/models/mask_rcnn_vitdet.py). Images are 1024² pixels.
_base_ = ['mmdet::_base_/models/mask-rcnn_r50_fpn.py']

norm_cfg = dict(type='mmhvt.LN2d', eps=1e-6)
model = dict(
    # images are no larger than that: they are padded to it with the mean, in training and in testing, as in ViTDet
    data_preprocessor=dict(pad_size_divisor=1024),
    backbone=dict(
        _delete_=True,
        type='mmhvt.SMViT',
        arch='base',
        # of the pre-training: positions are resized to each image
        input_size=(224, 224),
        drop_path_rate=0.1,
        # without norms, as in the authors' later use of maps: sam2 sam2/modeling/backbones/hieradet.py
        out_indices=(0, 1, 2, 3),
        out_type='featmap',
        # the public weights of masked pre-training, CC BY-NC 4.0
        init_cfg=dict(
            type='Pretrained',
            checkpoint='https://dl.fbaipublicfiles.com/hiera/mae_hiera_base_224.pth')),
    neck=dict(in_channels=[96, 192, 384, 768], norm_cfg=norm_cfg),
    rpn_head=dict(type='mmhvt.NormedRPNHead', num_convs=2),
    roi_head=dict(
        bbox_head=dict(type='Shared4Conv1FCBBoxHead', norm_cfg=norm_cfg),
        mask_head=dict(norm_cfg=norm_cfg)),
    # detectron2 configs/common/models/mask_rcnn_fpn.py
    train_cfg=dict(rcnn=dict(assigner=dict(match_low_quality=False))))

# Video Swin-T on images, which is Swin-T, Mask R-CNN: ours, the paper has no detection in images. Numbers are those of
# mmdet's mask-rcnn_swin-t-p4-w7_fpn_amp-ms-crop-3x_coco.py.
_base_ = [
    'mmdet::_base_/models/mask-rcnn_r50_fpn.py',
    '../_base_/datasets/coco_instance_ms-crop.py',
    '../_base_/schedules/adamw_36e_coco.py',
    '../_base_/default_runtime_det.py'
]

model = dict(
    backbone=dict(
        _delete_=True,
        type='mmhvt.VideoSwin',
        arch='tiny',
        input_size=(224, 224),
        drop_path_rate=0.2,
        out_indices=(0, 1, 2, 3),
        out_type='featmap',
        # weights of video work, too: frames of a patch are summed
        init_cfg=dict(
            type='Pretrained',
            checkpoint=('https://github.com/SwinTransformer/storage/releases/download/v1.0.0/'
                        'swin_tiny_patch4_window7_224.pth'))),
    neck=dict(in_channels=[96, 192, 384, 768]))

train_dataloader = dict(batch_size=2, num_workers=2)  # 16 in all with 8 GPUs
optim_wrapper = dict(
    optimizer=dict(
        lr=1e-4,  # for 16 images
        weight_decay=0.05),
    paramwise_cfg=dict(custom_keys=dict(rel_pos=dict(decay_mult=0.0))))
param_scheduler = [
    dict(
        type='LinearLR', start_factor=1e-3, by_epoch=False, begin=0, end=1000),
    dict(
        type='MultiStepLR',
        by_epoch=True,
        begin=0,
        end=36,
        milestones=[27, 33],
        gamma=0.1)
]

auto_scale_lr = dict(base_batch_size=16)

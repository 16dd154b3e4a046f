# COCO with large-scale jittering: images resized by a factor in [0.1, 2.0] of 1024² pixels, then cropped to no more
# than that (smvit, table A2; mvitv2, B.3). The model's data_preprocessor pads them to 1024².
_base_ = ['mmdet::_base_/datasets/coco_instance.py']

image_size = (1024, 1024)
load_image = dict(type='LoadImageFromFile')
load_masks = dict(type='LoadAnnotations', with_bbox=True, with_mask=True)
jitter = [
    dict(
        type='RandomResize',
        resize_type='mmhvt.DetResize',
        scale=image_size,
        ratio_range=(0.1, 2.0),
        keep_ratio=True),
    dict(
        type='RandomCrop',
        crop_type='absolute',
        crop_size=image_size,
        recompute_bbox=True,
        allow_negative_crop=True),
    # crops that keep no object are trained on as background
    dict(
        type='FilterAnnotations',
        min_gt_bbox_wh=(1e-2, 1e-2),
        keep_empty=False),
    dict(type='RandomFlip', prob=0.5)
]
pack = dict(
    type='PackDetInputs',
    meta_keys=('img_id', 'img_path', 'ori_shape', 'img_shape', 'scale_factor'))

train_pipeline = [load_image, load_masks, *jitter, dict(type='PackDetInputs')]
# the longer side: detectron2 projects/ViTDet/configs/common/coco_loader_lsj.py
test_pipeline = [
    load_image,
    dict(type='mmhvt.DetResize', scale=image_size, keep_ratio=True), pack
]

train_dataloader = dict(
    batch_size=1,  # 64 in all with 64 GPUs
    # all images have the same size in the end
    batch_sampler=None,
    dataset=dict(type='mmhvt.CocoDataset', pipeline=train_pipeline))
val_dataloader = dict(
    dataset=dict(type='mmhvt.CocoDataset', pipeline=test_pipeline))
test_dataloader = val_dataloader
val_evaluator = dict(type='mmhvt.CocoMetric')
test_evaluator = val_evaluator

# for several scales (which ones: ours): mim test onedl-mmdetection CONFIG --checkpoint CHECKPOINT --tta
tta_model = dict(
    type='mmhvt.InstanceTTAModel',
    # not up to 2048²
    pad_size_divisor=32,
    tta_cfg=dict(
        nms=dict(type='soft_nms', iou_threshold=0.5), max_per_img=100))
flips = [dict(type='RandomFlip', prob=0.0), dict(type='RandomFlip', prob=1.0)]
pack_view = dict(pack, meta_keys=(*pack['meta_keys'], 'flip', 'flip_direction'))
tta_pipeline = [
    load_image,
    dict(
        type='TestTimeAug',
        transforms=[
            [
                dict(type='mmhvt.DetResize', scale=(768, 768), keep_ratio=True),
                dict(type='mmhvt.DetResize', scale=(1024, 1024), keep_ratio=True),
                dict(type='mmhvt.DetResize', scale=(1280, 1280), keep_ratio=True)
            ],
            flips,
            [pack_view]
        ])
]

# COCO with multi-scale training: the shorter side in [480, 800] while the longer one is no more than 1333 (mvitv2,
# B.3). Half of the images are cropped before that: detectron2 projects/MViTv2/configs/common/coco_loader.py.
_base_ = ['mmdet::_base_/datasets/coco_instance.py']

scales = [(480, 1333), (512, 1333), (544, 1333), (576, 1333), (608, 1333),
          (640, 1333), (672, 1333), (704, 1333), (736, 1333), (768, 1333),
          (800, 1333)]
load_masks = dict(type='LoadAnnotations', with_bbox=True, with_mask=True)
# what follows the annotations
augment = [
    dict(type='RandomFlip', prob=0.5),
    dict(
        type='RandomChoice',
        transforms=[
            [
                dict(
                    type='RandomChoiceResize',
                    resize_type='mmhvt.DetResize',
                    scales=scales,
                    keep_ratio=True)
            ],
            [
                dict(
                    type='RandomChoiceResize',
                    resize_type='mmhvt.DetResize',
                    scales=[(400, 4200), (500, 4200), (600, 4200)],
                    keep_ratio=True),
                dict(
                    type='RandomCrop',
                    crop_type='absolute_range',
                    crop_size=(384, 600),
                    allow_negative_crop=True),
                dict(
                    type='RandomChoiceResize',
                    resize_type='mmhvt.DetResize',
                    scales=scales,
                    keep_ratio=True)
            ]
        ]),
    dict(type='PackDetInputs')
]
load_image = dict(type='LoadImageFromFile', backend_args=None)
resize = dict(type='mmhvt.DetResize', scale=(1333, 800), keep_ratio=True)
pack = dict(
    type='PackDetInputs',
    meta_keys=('img_id', 'img_path', 'ori_shape', 'img_shape', 'scale_factor'))

train_pipeline = [dict(type='LoadImageFromFile'), load_masks, *augment]
test_pipeline = [load_image, resize, load_masks, pack]

train_dataloader = dict(
    batch_size=8,  # 64 in all with 8 GPUs
    num_workers=8,
    dataset=dict(type='mmhvt.CocoDataset', pipeline=train_pipeline))
val_dataloader = dict(
    dataset=dict(type='mmhvt.CocoDataset', pipeline=test_pipeline))
test_dataloader = val_dataloader
val_evaluator = dict(type='mmhvt.CocoMetric')
test_evaluator = val_evaluator

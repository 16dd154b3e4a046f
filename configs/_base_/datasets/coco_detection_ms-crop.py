# The boxes of COCO, for detectors without masks, with the multi-scale training of coco_instance_ms-crop.py.
_base_ = 'coco_instance_ms-crop.py'

load_boxes = dict(type='LoadAnnotations', with_bbox=True)
train_pipeline = [dict(type='LoadImageFromFile'), load_boxes, *_base_.augment]
test_pipeline = [_base_.load_image, _base_.resize, load_boxes, _base_.pack]

train_dataloader = dict(dataset=dict(pipeline=train_pipeline))
val_dataloader = dict(dataset=dict(pipeline=test_pipeline))
test_dataloader = dict(dataset=dict(pipeline=test_pipeline))
val_evaluator = dict(metric='bbox')
test_evaluator = dict(metric='bbox')

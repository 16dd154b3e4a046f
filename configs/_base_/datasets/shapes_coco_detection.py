# The boxes of generated shapes, for detectors without masks:
#   python tools/data/shapes_coco.py data/shapes_coco
_base_ = 'shapes_coco.py'

train_pipeline = [
    dict(type='LoadImageFromFile'),
    dict(type='LoadAnnotations', with_bbox=True), *_base_.augment
]
train_dataloader = dict(dataset=dict(pipeline=train_pipeline))
val_evaluator = dict(metric='bbox')
test_evaluator = dict(metric='bbox')

# COCO with large-scale jittering in training alone, as in detectron2 projects/MViTv2/configs/common/coco_loader_lsj.py:
# images are padded to 1024² with gray before they are normalized, and tested at a short side of 800.
_base_ = 'coco_instance_lsj.py'

train_pipeline = [
    _base_.load_image, _base_.load_masks, *_base_.jitter,
    dict(type='Pad', size=_base_.image_size, pad_val=dict(img=(128, 128, 128))),
    dict(type='PackDetInputs')
]
test_pipeline = [
    _base_.load_image,
    dict(type='mmhvt.DetResize', scale=(1333, 800), keep_ratio=True), _base_.pack
]

train_dataloader = dict(dataset=dict(pipeline=train_pipeline))
val_dataloader = dict(dataset=dict(pipeline=test_pipeline))
test_dataloader = val_dataloader

# scales: ours
tta_pipeline = [
    _base_.load_image,
    dict(
        type='TestTimeAug',
        transforms=[
            [
                dict(type='mmhvt.DetResize', scale=(1000, 600), keep_ratio=True),
                dict(type='mmhvt.DetResize', scale=(1333, 800), keep_ratio=True),
                dict(type='mmhvt.DetResize', scale=(1667, 1000), keep_ratio=True)
            ],
            _base_.flips,
            [_base_.pack_view]
        ])
]

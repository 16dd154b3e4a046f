# ImageNet-1K. A recipe adds pipelines of ../pipelines and sets the batch size.
data_preprocessor = dict(
    mean=[123.675, 116.28, 103.53],
    std=[58.395, 57.12, 57.375],
    to_rgb=True)

train_dataloader = dict(
    num_workers=5,
    sampler=dict(type='DefaultSampler', shuffle=True),
    dataset=dict(type='mmhvt.ImageNet', data_root='data/imagenet', split='train'))
val_dataloader = dict(
    batch_size=64,
    num_workers=5,
    sampler=dict(type='DefaultSampler', shuffle=False),
    dataset=dict(type='mmhvt.ImageNet', data_root='data/imagenet', split='val'))
test_dataloader = val_dataloader

val_evaluator = dict(type='Accuracy', topk=(1, 5))
test_evaluator = val_evaluator

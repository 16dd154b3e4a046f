# Your own images: a folder for each class in data/own_images/train and data/own_images/val. A config may set another
# data_root. A fine-tuning base adds pipelines of ../pipelines.
data_preprocessor = dict(
    mean=[123.675, 116.28, 103.53],
    std=[58.395, 57.12, 57.375],
    to_rgb=True)

train_dataloader = dict(
    batch_size=32,
    num_workers=4,
    sampler=dict(type='DefaultSampler', shuffle=True),
    dataset=dict(type='mmhvt.CustomDataset', data_root='data/own_images', data_prefix='train'))
val_dataloader = dict(
    batch_size=32,
    num_workers=4,
    sampler=dict(type='DefaultSampler', shuffle=False),
    dataset=dict(type='mmhvt.CustomDataset', data_root='data/own_images', data_prefix='val'))
test_dataloader = val_dataloader

val_evaluator = dict(type='Accuracy', topk=(1, ))
test_evaluator = val_evaluator

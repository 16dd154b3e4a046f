# AdamW for 12 epochs of COCO at a batch of 16, with a tenth of the learning rate in the backbone: the settings of
# mmdet::dino/dino-4scale_r50_8xb2-12e_coco.py.
train_cfg = dict(type='EpochBasedTrainLoop', max_epochs=12, val_interval=1)
val_cfg = dict(type='ValLoop')
test_cfg = dict(type='TestLoop')

optim_wrapper = dict(
    type='OptimWrapper',
    optimizer=dict(
        type='AdamW',
        lr=1e-4,  # for 16 images
        weight_decay=1e-4),
    paramwise_cfg=dict(custom_keys=dict(backbone=dict(lr_mult=0.1))),
    clip_grad=dict(max_norm=0.1, norm_type=2))

param_scheduler = [
    dict(
        type='MultiStepLR',
        by_epoch=True,
        begin=0,
        end=12,
        milestones=[11],
        gamma=0.1)
]

auto_scale_lr = dict(base_batch_size=16)

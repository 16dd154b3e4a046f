# AdamW for 36 epochs of COCO, a 3× schedule, at a batch of 64, in mixed precision (mvitv2, B.3).
train_cfg = dict(type='EpochBasedTrainLoop', max_epochs=36, val_interval=3)
val_cfg = dict(type='ValLoop')
test_cfg = dict(type='TestLoop')

optim_wrapper = dict(
    type='AmpOptimWrapper',
    optimizer=dict(
        type='AdamW',
        lr=1.6e-4,  # for 64 images
        betas=(0.9, 0.999),
        weight_decay=0.1),
    # none on norms and positions: detectron2 projects/MViTv2/configs/mask_rcnn_mvitv2_t_3x.py
    paramwise_cfg=dict(
        norm_decay_mult=0.0,
        custom_keys=dict(
            pos_embed=dict(decay_mult=0.0), rel_pos=dict(decay_mult=0.0))))

# at 52 500 and 62 500 of 67 500 iterations, as there
param_scheduler = [
    dict(
        type='LinearLR', start_factor=1e-3, by_epoch=False, begin=0, end=250),
    dict(
        type='MultiStepLR',
        by_epoch=True,
        begin=0,
        end=36,
        milestones=[28, 33],
        gamma=0.1)
]

auto_scale_lr = dict(base_batch_size=64)

# AdamW for 100 epochs of COCO at a batch of 64 (smvit, table A2).
train_cfg = dict(
    type='EpochBasedTrainLoop', max_epochs=100, val_interval=10)
val_cfg = dict(type='ValLoop')
test_cfg = dict(type='TestLoop')

optim_wrapper = dict(
    type='OptimWrapper',
    optimizer=dict(
        type='AdamW',
        lr=3.5e-5,  # for 64 images
        betas=(0.9, 0.999),
        weight_decay=0.1),
    # none on norms and positions, as ViTDet's public code: paper silent
    paramwise_cfg=dict(
        norm_decay_mult=0.0,
        custom_keys=dict(
            pos_embed=dict(decay_mult=0.0), rel_pos=dict(decay_mult=0.0))))

# "step-wise decay"; the steps and the warm-up are those of ViTDet's public code, 163 889 and 177 546 of
# 184 375 iterations: paper silent
param_scheduler = [
    dict(
        type='LinearLR', start_factor=1e-3, by_epoch=False, begin=0, end=250),
    dict(
        type='MultiStepLR',
        by_epoch=True,
        begin=0,
        end=100,
        milestones=[89, 96],
        gamma=0.1)
]

auto_scale_lr = dict(base_batch_size=64)

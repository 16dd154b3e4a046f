# AdamW for 100 epochs of COCO at a batch of 64 (smvit, table A2). What the table lacks is ViTDet's, which the paper
# follows (A.2): detectron2 projects/ViTDet/configs/COCO/mask_rcnn_vitdet_b_100ep.py.
train_cfg = dict(
    type='EpochBasedTrainLoop', max_epochs=100, val_interval=10)
val_cfg = dict(type='ValLoop')
test_cfg = dict(type='TestLoop')

optim_wrapper = dict(
    type='AmpOptimWrapper',
    optimizer=dict(
        type='AdamW',
        lr=3.5e-5,  # for 64 images
        betas=(0.9, 0.999),
        weight_decay=0.1),
    paramwise_cfg=dict(
        norm_decay_mult=0.0,
        custom_keys=dict(pos_embed=dict(decay_mult=0.0))))

# "step-wise decay", at 163 889 and 177 546 of 184 375 iterations
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

# AdamW with linear warm-up and cosine decay, as Video Swin fine-tunes on Kinetics (video_swin, section 4.1).
train_cfg = dict(
    type='EpochBasedTrainLoop',
    max_epochs=30,
    val_begin=1,
    val_interval=3)
val_cfg = dict(type='ValLoop')
test_cfg = dict(type='TestLoop')

# The backbone, which is pre-trained, learns at a tenth of the head's rate (section 4.1, table 7): lr is
# the backbone's 3e-5, lr_mult makes it the head's 3e-4. mmaction2 has 1e-4 and 1e-3.
optim_wrapper = dict(
    type='OptimWrapper',
    optimizer=dict(
        type='AdamW',
        lr=3e-5,  # for 64 clips
        betas=(0.9, 0.999),  # paper silent
        weight_decay=0.02),  # of T and S
    paramwise_cfg=dict(
        # no weight decay on norms and relative positions: paper silent, as mmaction2
        norm_decay_mult=0.0,
        custom_keys=dict(
            rel_pos=dict(decay_mult=0.0),
            cls_head=dict(lr_mult=10.0))))
# no gradient clipping: paper silent, as mmaction2

warmup = dict(
    type='LinearLR',
    start_factor=0.1,  # paper silent, as mmaction2
    begin=0,
    end=2.5,
    convert_to_iter_based=True)
# whether it counts from the end of the warm-up: paper silent
cosine = dict(
    type='CosineAnnealingLR',
    eta_min=0,  # paper silent, as mmaction2
    begin=2.5,
    end=30,
    convert_to_iter_based=True)
param_scheduler = [warmup, cosine]

auto_scale_lr = dict(enable=False, base_batch_size=64)

# AdamW with linear warm-up and cosine decay in mixed precision, as Video Swin fine-tunes on Kinetics (video_swin,
# section 4.1). Where the paper is silent: Video-Swin-Transformer configs/recognition/swin.
train_cfg = dict(
    type='EpochBasedTrainLoop',
    max_epochs=30,
    val_begin=1,
    val_interval=5)
val_cfg = dict(type='ValLoop')
test_cfg = dict(type='TestLoop')

# The backbone, which is pre-trained, learns at a tenth of the head's rate (section 4.1, table 7): lr is
# the backbone's 3e-5, lr_mult makes it the head's 3e-4.
optim_wrapper = dict(
    type='AmpOptimWrapper',  # the code has apex O1, in float16, which is the default
    optimizer=dict(
        type='AdamW',
        lr=3e-5,  # for 64 clips
        betas=(0.9, 0.999),
        weight_decay=0.02),  # of T and S
    paramwise_cfg=dict(
        custom_keys=dict(
            # norms decay: the key that the code has for them is overruled by that of the backbone
            rel_pos=dict(decay_mult=0.0),
            cls_head=dict(lr_mult=10.0))))

warmup = dict(
    type='LinearLR',
    start_factor=0.1,
    begin=0,
    end=2.5,
    convert_to_iter_based=True)
# by epoch and from the first one on, so that the warm-up scales what the cosine gives
cosine = dict(
    type='CosineAnnealingLR',
    eta_min=0,
    begin=0,
    end=30)
param_scheduler = [warmup, cosine]

auto_scale_lr = dict(enable=False, base_batch_size=64)

# AdamW with linear warm-up and cosine decay, as MViT (mvit, D.1) and MViTv2 (mvitv2, B.4) train from
# scratch on Kinetics.
#
# 200 epochs, in each of which every video gives 2 clips: on the 240 000 videos of Kinetics-400 in
# batches of 512 clips about 190 000 iterations.
train_cfg = dict(
    type='EpochBasedTrainLoop',
    max_epochs=200,
    val_begin=5,
    val_interval=5)
val_cfg = dict(type='ValLoop')
test_cfg = dict(type='TestLoop')

optim_wrapper = dict(
    type='OptimWrapper',
    optimizer=dict(
        type='AdamW',
        lr=1.6e-3,  # for 512 clips
        betas=(0.9, 0.999),  # SlowFast slowfast/config/defaults.py
        weight_decay=0.05),
    # no weight decay on norms and biases, and gradients clipped: SlowFast configs/Kinetics/MVIT_B_16x4_CONV.yaml
    paramwise_cfg=dict(flat_decay_mult=0.0),
    clip_grad=dict(max_norm=1.0))

warmup = dict(
    type='LinearLR',
    start_factor=0.01,  # SlowFast configs/Kinetics/MVIT_B_16x4_CONV.yaml
    begin=0,
    end=30,
    convert_to_iter_based=True)
# the formula of D.1 gives 0 at the end, its text 1.6e-5; it counts from the end of the warm-up: SlowFast
# configs/Kinetics/MVIT_B_16x4_CONV.yaml
cosine = dict(
    type='CosineAnnealingLR',
    eta_min_ratio=0.01,  # 1.6e-5
    begin=30,
    end=200,
    convert_to_iter_based=True)
param_scheduler = [warmup, cosine]

# The learning rate is for batches of 512 clips. MMEngine counts what the loader counts: videos.
auto_scale_lr = dict(enable=False, base_batch_size=256)

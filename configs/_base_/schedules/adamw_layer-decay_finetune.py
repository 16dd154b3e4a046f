# AdamW with layer-wise decay for fine-tuning on your own data. No paper covers this: the numbers are ours, a starting
# point. In SMViT's fine-tuning (smvit, table 11(b)) the rate is 5e-5 for 256 clips.
#
# The schedule follows train_cfg.max_epochs, and the learning rate train_dataloader.batch_size and the GPUs.
train_cfg = dict(type='EpochBasedTrainLoop', max_epochs=20, val_interval=1)
val_cfg = dict(type='ValLoop')
test_cfg = dict(type='TestLoop')

optim_wrapper = dict(
    type='OptimWrapper',
    optimizer=dict(
        type='AdamW',
        lr=1e-4,  # for 64 samples
        betas=(0.9, 0.999),
        weight_decay=0.05),
    constructor='mmhvt.LayerDecayOptimWrapperConstructor',
    paramwise_cfg=dict(
        layer_decay_rate=0.75,
        # no weight decay on norms and biases, as in the families' recipes
        flat_decay_mult=0.0),
    clip_grad=dict(max_norm=1.0))

# a tenth of the run is warm-up
warmup_cosine = dict(type='mmhvt.WarmupCosineLR', warmup_ratio=0.1, convert_to_iter_based=True)
param_scheduler = [warmup_cosine]

auto_scale_lr = dict(enable=True, base_batch_size=64)

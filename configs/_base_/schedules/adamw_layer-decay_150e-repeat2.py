# AdamW with layer-wise decay, linear warm-up and cosine decay, as SMViT fine-tunes (table 11(b)).
#
# The paper counts effective epochs, that is clips drawn from each video (appendix A.1). With
# repeated sampling 2 an epoch of the loader is 2 of them: 150 effective epochs are 75 of the
# loader, and on the 240 000 videos of Kinetics-400 in batches of 256 clips about 140 000 iterations.
train_cfg = dict(
    type='EpochBasedTrainLoop',
    max_epochs=75,  # 150 effective
    val_begin=5,
    val_interval=5)
val_cfg = dict(type='ValLoop')
test_cfg = dict(type='TestLoop')

optim_wrapper = dict(
    type='OptimWrapper',
    optimizer=dict(
        type='AdamW',
        lr=5e-5,
        betas=(0.9, 0.999),
        weight_decay=0.05),
    constructor='mmhvt.LayerDecayOptimWrapperConstructor',
    paramwise_cfg=dict(
        layer_decay_rate=0.85,
        # none on norms and biases (mae_st util/lr_decay.py) nor on position embeddings (hiera hiera/hiera.py)
        flat_decay_mult=0.0,
        custom_keys=dict(pos_embed=dict(decay_mult=0.0))),
    clip_grad=dict(max_norm=5.0))  # mae_st FINETUNE.md

warmup = dict(
    type='LinearLR',
    start_factor=1e-3,  # from 0: mae_st util/lr_sched.py
    begin=0,
    end=5,  # 10 effective
    convert_to_iter_based=True)
cosine = dict(
    type='CosineAnnealingLR',
    eta_min=1e-6,  # mae_st main_finetune.py
    begin=5,
    end=75,
    convert_to_iter_based=True)
param_scheduler = [warmup, cosine]

# The learning rate is for batches of 256 clips. MMEngine counts what the loader counts: videos.
auto_scale_lr = dict(enable=False, base_batch_size=128)

# AdamW with linear warm-up and cosine decay, as SMViT pre-trains on Kinetics (table 11(a)).
#
# The paper counts effective epochs, that is clips drawn from each video (appendix A.1). With
# repeated sampling 4 an epoch of the loader is 4 of them: 1600 effective epochs are 400 of the loader.
train_cfg = dict(type='EpochBasedTrainLoop', max_epochs=400)  # 1600 effective

optim_wrapper = dict(
    type='OptimWrapper',
    optimizer=dict(
        type='AdamW',
        # Of the 512 clips of table 11(a). Linear rule for n clips: 4e-4 · n / 256.
        lr=8e-4,
        betas=(0.9, 0.95),
        weight_decay=0.05),
    # no weight decay on norms, biases and position embeddings: paper silent
    paramwise_cfg=dict(
        flat_decay_mult=0.0,
        custom_keys=dict(pos_embed=dict(decay_mult=0.0))))
# no gradient clipping: table 11(a) lists none, table 12(a) does where it is used

warmup = dict(
    type='LinearLR',
    start_factor=1e-3,  # from nearly 0: paper silent
    begin=0,
    end=30,  # 120 effective
    convert_to_iter_based=True)
cosine = dict(
    type='CosineAnnealingLR',
    eta_min=0,  # paper silent
    begin=30,
    end=400,
    convert_to_iter_based=True)
param_scheduler = [warmup, cosine]

# `--auto-scale-lr` scales the learning rate by the linear rule. MMEngine counts what the loader
# counts: 128 videos for 512 clips.
auto_scale_lr = dict(enable=False, base_batch_size=128)

# AdamW with linear warm-up and cosine decay, as SMViT pre-trains on Kinetics (table 11(a)).
#
# The paper counts effective epochs, that is clips drawn from each video (appendix A.1). With
# repeated sampling 4 an epoch of the loader is 4 of them: 1600 effective epochs are 400 of the loader.
train_cfg = dict(type='EpochBasedTrainLoop', max_epochs=400)  # 1600 effective

optim_wrapper = dict(
    type='OptimWrapper',
    optimizer=dict(
        type='AdamW',
        # Of the 512 videos of table 11(a), 2048 clips: Feichtenhofer et al. leave repeated sampling out of batch size
        # and learning rate (mae_st main_pretrain.py and issue 5). Linear rule for n videos: 4e-4 · n / 256.
        lr=8e-4,
        betas=(0.9, 0.95),
        weight_decay=0.05),
    # none on norms and biases (mae_st util/misc.py) nor on position embeddings (hiera hiera/hiera.py)
    paramwise_cfg=dict(
        flat_decay_mult=0.0,
        custom_keys=dict(pos_embed=dict(decay_mult=0.0))),
    clip_grad=dict(max_norm=0.02))  # mae_st PRETRAIN.md

warmup = dict(
    type='LinearLR',
    start_factor=1e-3,  # from 0: mae_st util/lr_sched.py
    begin=0,
    end=30,  # 120 effective
    convert_to_iter_based=True)
cosine = dict(
    type='CosineAnnealingLR',
    eta_min=0,  # mae_st main_pretrain.py
    begin=30,
    end=400,
    convert_to_iter_based=True)
param_scheduler = [warmup, cosine]

# `--auto-scale-lr` scales the learning rate by the linear rule. MMEngine counts what the loader
# counts: videos.
auto_scale_lr = dict(enable=False, base_batch_size=512)

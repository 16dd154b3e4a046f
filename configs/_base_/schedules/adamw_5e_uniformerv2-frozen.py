# AdamW with cosine decay, as UniFormerV2-L/14 with a frozen backbone is fine-tuned on a Kinetics from
# Kinetics-710: "a larger learning rate (4e-4) without warmup" (uniformerv2, appendix A; the rest is
# table 11). Whether fine-tuning has this rate too: paper silent.
_base_ = 'adamw_55e_uniformerv2.py'

train_cfg = dict(
    max_epochs=5,
    val_begin=1,
    val_interval=1)
optim_wrapper = dict(optimizer=dict(lr=4e-4))  # for 256 clips
param_scheduler = [dict(_base_.cosine, begin=0, end=5)]

auto_scale_lr = dict(base_batch_size=256)

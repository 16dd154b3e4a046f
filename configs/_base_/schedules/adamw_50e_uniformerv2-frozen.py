# AdamW with cosine decay, as UniFormerV2-L/14 trains with a frozen backbone on Kinetics-710 and, from image
# weights, on each Kinetics: "If the backbone is frozen, we use a larger learning rate (4e-4) without
# warmup" (uniformerv2, appendix A; the rest is table 11). Epochs are those of UniFormerV2
# exp/k400/frozen_k400_l14_f8x336/run.sh.
_base_ = 'adamw_55e_uniformerv2.py'

train_cfg = dict(
    max_epochs=50,
    val_begin=5,
    val_interval=5)
optim_wrapper = dict(optimizer=dict(lr=4e-4))  # for 512 clips
param_scheduler = [dict(_base_.cosine, begin=0, end=50)]

auto_scale_lr = dict(base_batch_size=512)

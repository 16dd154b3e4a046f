# AdamW with linear warm-up and cosine decay, as UniFormerV2-L/14 with a frozen backbone is fine-tuned on a
# Kinetics from Kinetics-710. The 4e-4 of appendix A is for image weights: learning rate, warm-up and batch
# are those of UniFormerV2 exp/k400/frozen_k400+k710_l14_f8x336/run.sh; the rest is table 11.
_base_ = 'adamw_55e_uniformerv2.py'

train_cfg = dict(
    max_epochs=5,
    val_begin=1,
    val_interval=1)
optim_wrapper = dict(optimizer=dict(lr=5e-5))  # for 512 clips of 8 frames, or 256 of 32
param_scheduler = [
    dict(_base_.warmup, start_factor=0.02, end=1),  # from 1e-6
    dict(_base_.cosine, begin=1, end=5)
]

auto_scale_lr = dict(base_batch_size=512)

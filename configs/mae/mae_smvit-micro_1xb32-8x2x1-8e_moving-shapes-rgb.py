# Masked pre-training on generated videos: what `make demo-mae` trains.
#   mim train mmpretrain configs/mae/mae_smvit-micro_1xb32-8x2x1-8e_moving-shapes-rgb.py
_base_ = ['mae_smvit-micro_1xb64-8x2x1-10e_moving-shapes-rgb.py']

# Chosen so that the encoder has to learn motion in minutes. With 16² pixels hidden and patches
# normalised it learns the look of patches, and leaves motion to the decoder: fine-tuned on few
# labels it is no better than from scratch.
model = dict(
    # 32² pixels, as the paper's: whole frames, of which one token in time is left of four
    backbone=dict(mask_unit_size=(1, 8, 8)),
    mask_ratio=0.75,
    # the ground is a gradient, which normalised would count as much as the shape
    norm_pix=False,
    decoder=dict(embed_dims=48, depth=1, num_heads=1))

train_dataloader = dict(batch_size=8)  # videos, 32 clips

train_cfg = dict(max_epochs=8)
optim_wrapper = dict(optimizer=dict(lr=2e-3))
param_scheduler = [
    dict(
        type='OneCycleLR',
        eta_max=2e-3,
        pct_start=0.2,
        by_epoch=True,
        begin=0,
        end=8,
        total_steps=8,
        convert_to_iter_based=True)
]

# As adamw_layer-decay_100e_imagenet.py, but for the 50 epochs of SMViT-L and -H (table A1(b)).
_base_ = 'adamw_layer-decay_100e_imagenet.py'

train_cfg = dict(max_epochs=50)

param_scheduler = [
    dict(
        type='LinearLR',
        start_factor=1e-3,  # from nearly 0: paper silent
        begin=0,
        end=5,
        convert_to_iter_based=True),
    dict(
        type='CosineAnnealingLR',
        eta_min=0,  # paper silent
        begin=5,
        end=50,
        convert_to_iter_based=True)
]

# As adamw_layer-decay_100e_imagenet.py, but for the 50 epochs of SMViT-L and -H (table A1(b)).
_base_ = 'adamw_layer-decay_100e_imagenet.py'

train_cfg = dict(max_epochs=50)

param_scheduler = [
    _base_.warmup,
    dict(_base_.cosine, end=50)
]

# MViTv2-L on ImageNet-1K: 85.3 top-1 in the paper (table A.3).
_base_ = 'mvitv2-tiny_64xb32-300e_in1k.py'

model = dict(
    backbone=dict(
        arch='v2_large',
        # the public weights, and the 218 M parameters of table A.3, are of this; those of MViTv2-L on
        # video (table A.2), and of the public weights of ImageNet-21K, are of 'attn'
        expand_in='mlp',
        drop_path_rate=0.5),
    head=dict(in_channels=1152))

optim_wrapper = dict(optimizer=dict(weight_decay=0.1))

# The smallest SMViT, DINO of two layers each, on the boxes of generated shapes. It needs more epochs to learn than the
# other detectors.
_base_ = [
    '../_base_/models/dino-4scale_mvitv2.py',
    '../_base_/datasets/shapes_coco_detection.py',
    '../_base_/schedules/adamw_5e_micro.py',
    '../_base_/default_runtime_det.py'
]

width = 32
ffn = dict(embed_dims=width, feedforward_channels=64)
attention = dict(embed_dims=width, num_heads=4)
model = dict(
    num_queries=50,
    backbone=dict(
        _delete_=True,
        type='mmhvt.SMViT',
        arch=dict(embed_dims=48, num_heads=1, depths=(1, 1, 2, 1)),
        input_size=(160, 160),
        out_indices=(1, 2, 3),
        out_type='featmap',
        init_cfg=dict(type='Xavier', layer='Linear', distribution='uniform')),
    neck=dict(
        in_channels=[96, 192, 384],
        out_channels=width,
        norm_cfg=dict(num_groups=8)),
    encoder=dict(
        num_layers=2,
        layer_cfg=dict(self_attn_cfg=attention, ffn_cfg=ffn)),
    decoder=dict(
        num_layers=2,
        layer_cfg=dict(
            self_attn_cfg=attention, cross_attn_cfg=attention, ffn_cfg=ffn)),
    positional_encoding=dict(num_feats=width // 2),
    bbox_head=dict(embed_dims=width, num_classes=5),
    dn_cfg=dict(group_cfg=dict(num_dn_queries=20)),
    test_cfg=dict(max_per_img=50))

optim_wrapper = dict(optimizer=dict(lr=1e-3))
param_scheduler = [dict(_base_.one_cycle, eta_max=1e-3)]

env_cfg = dict(dist_cfg=dict(backend='gloo'))
default_hooks = dict(checkpoint=dict(max_keep_ckpts=1))
randomness = dict(seed=0)
auto_scale_lr = dict(base_batch_size=4)

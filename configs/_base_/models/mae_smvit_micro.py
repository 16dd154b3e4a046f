# Masked pre-training of the smallest SMViT (smvit_micro.py) on clips of 8 frames of 32² pixels.
model = dict(
    type='mmhvt.MAE',
    data_preprocessor=dict(
        type='mmaction.ActionDataPreprocessor',
        # as smvit_base.py
        mean=[114.75, 114.75, 114.75],
        std=[57.375, 57.375, 57.375],
        format_shape='NCTHW'),
    backbone=dict(
        type='mmhvt.SMViT',
        arch=dict(embed_dims=48, num_heads=1, depths=(1, 1, 2, 1)),
        input_size=(8, 32, 32),
        # 16² pixels: a frame would have one of the paper's 32²
        mask_unit_size=(1, 4, 4),
        q_pool=2),
    mask_ratio=0.75,
    decoder=dict(embed_dims=96, depth=2, num_heads=3))

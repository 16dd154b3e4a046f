# Masked pre-training of SMViT-B on clips of 16 frames of 224² pixels (sections 4 and 5, table 11(a)).
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
        arch='base',
        input_size=(16, 224, 224),
        # two poolings of three, so that a mask unit is 2×2 tokens of the decoder: hiera hiera/hiera_mae.py
        q_pool=2,
        drop_path_rate=0.1),  # table 11(a)
    mask_ratio=0.9,  # table 3b
    decoder=dict(
        depth=8,  # table 11(a)
        # hiera hiera/hiera_mae.py
        embed_dims=512,
        num_heads=16))

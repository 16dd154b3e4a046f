# Masked pre-training of SMViT-B on images of 224² pixels (section 4, table A1(a)).
_base_ = 'mae_smvit_base.py'

model = dict(
    data_preprocessor=dict(
        _delete_=True,
        type='SelfSupDataPreprocessor',
        # ImageNet's: hiera examples/inference.ipynb
        mean=[123.675, 116.28, 103.53],
        std=[58.395, 57.12, 57.375],
        to_rgb=True),
    backbone=dict(
        input_size=(224, 224),
        drop_path_rate=0.2),  # table A1(a)
    mask_ratio=0.6)  # table 3b

# SMViT-B for transfer to iNaturalist and Places, which is fine-tuned like ImageNet-1K except for what the paper
# searches (appendix A.2) without printing the results.
_base_ = 'smvit_base_image.py'

model = dict(
    # searched in 0.1 to 0.5, not printed: as on ImageNet-1K
    backbone=dict(drop_path_rate=0.2),
    head=dict(
        type='mmhvt.ImageHead',
        dropout_ratio=0.2))  # searched in 0.1, 0.2, 0.3, not printed: the middle

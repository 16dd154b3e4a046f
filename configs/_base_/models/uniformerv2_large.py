# UniFormerV2-L/14 on clips of 8 frames of 224² pixels (uniformerv2, section 4 and table 11), from CLIP's
# image encoder.
_base_ = 'uniformerv2_base.py'

model = dict(
    backbone=dict(
        arch='large',
        init_cfg=dict(
            checkpoint=('https://openaipublic.azureedge.net/clip/models/'
                        'b8cca3fd41ae0c99ba7e8951adf17d267cdb84cd88be6f7c2e0eca1737a03836/ViT-L-14.pt'))),
    cls_head=dict(in_channels=1024))

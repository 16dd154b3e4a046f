# UniFormerV2-L/14 on clips of 8 frames of 336² pixels (uniformerv2, table 1), from CLIP's image encoder
# for 336².
_base_ = 'uniformerv2_base.py'

model = dict(
    backbone=dict(
        arch='large',
        input_size=(8, 336, 336),
        init_cfg=dict(
            checkpoint=('https://openaipublic.azureedge.net/clip/models/'
                        '3035c92b350959924f9f00213499208652fc7ea050643e8b385c2dac08641f02/ViT-L-14-336px.pt'))),
    cls_head=dict(in_channels=1024))

# UniFormerV2-L/14 on clips of 16 frames of Something-Something (uniformerv2, table 11): "we adopt all the designs and
# insert the global UniBlocks in the last 8/16 layers" (appendix A).
_base_ = 'uniformerv2_base.py'

model = dict(
    backbone=dict(
        arch='large',
        input_size=(16, 224, 224),
        local_layers='all',
        global_layers='last 16',
        temporal_downsample=True,
        drop_path_rate=0.2,
        global_drop_path_rate=0.4,
        with_cp=True,  # UniFormerV2 exp/sthv2/ssv2_l14_f16x224/config.yaml
        init_cfg=dict(
            checkpoint=('https://openaipublic.azureedge.net/clip/models/'
                        'b8cca3fd41ae0c99ba7e8951adf17d267cdb84cd88be6f7c2e0eca1737a03836/ViT-L-14.pt'))),
    cls_head=dict(num_classes=174, in_channels=1024))

# UniFormerV2-B/16 on clips of 8 frames of 224² pixels (uniformerv2, section 4 and table 11), from CLIP's image encoder.
# Global UniBlocks follow the last 4 layers, without local UniBlocks and temporal downsampling, as for all datasets but
# Something-Something (appendix A).
model = dict(
    type='Recognizer3D',
    data_preprocessor=dict(
        type='ActionDataPreprocessor',
        # 255 · 0.45 and 255 · 0.225, whatever the image weights: UniFormerV2 slowfast/config/defaults.py
        mean=[114.75, 114.75, 114.75],
        std=[57.375, 57.375, 57.375],
        format_shape='NCTHW'),
    backbone=dict(
        type='mmhvt.UniFormerV2',
        arch='base',
        input_size=(8, 224, 224),
        vit='clip',
        local_layers=None,
        global_layers='last 4',
        temporal_downsample=False,
        # no drop path except for Something-Something, ActivityNet and HACS (table 11)
        drop_path_rate=0.0,
        global_drop_path_rate=0.0,
        # "Dropout, global branch" of table 11
        global_dropout=0.5,
        init_cfg=dict(
            type='Pretrained',
            checkpoint=('https://openaipublic.azureedge.net/clip/models/'
                        '5806e77cd80f8b59890b7e101eabd078d9fb84e6937f9e85e4ecb61988df416f/ViT-B-16.pt'))),
    cls_head=dict(
        type='mmhvt.RecognitionHead',
        num_classes=400,
        in_channels=768,
        # "Dropout, backbone" of table 11, CLS_DROPOUT of UniFormerV2 exp/k400/k400_b16_f8x224/config.yaml
        dropout_ratio=0.5,
        # a standard deviation of 0.02, about that of PyTorch's initialization, which UniFormerV2
        # slowfast/models/uniformerv2_model.py keeps
        init_scale=1.0,
        average_clips='prob'))  # UniFormerV2 exp/k400/k400_b16_f8x224/run.sh (ADD_SOFTMAX)

# Video Swin-L on clips of 32 frames of 224² pixels (video_swin, sections 3.3 and 4.1), from Swin-L of
# ImageNet-21K.
_base_ = 'video_swin_tiny.py'

model = dict(
    backbone=dict(
        arch='large',
        drop_path_rate=0.4,  # paper and authors' code are silent; as in mmaction2
        init_cfg=dict(
            checkpoint=('https://github.com/SwinTransformer/storage/releases/download/v1.0.0/'
                        'swin_large_patch4_window7_224_22k.pth'))),
    cls_head=dict(in_channels=1536))

# Video Swin-S on clips of 32 frames of 224² pixels (video_swin, sections 3.3 and 4.1), from Swin-S of
# ImageNet-1K.
_base_ = 'video_swin_tiny.py'

model = dict(
    backbone=dict(
        arch='small',
        # the paper's 0.2 is a slip, say its authors: Video-Swin-Transformer, issue 10
        drop_path_rate=0.1,
        init_cfg=dict(
            checkpoint=('https://github.com/SwinTransformer/storage/releases/download/v1.0.0/'
                        'swin_small_patch4_window7_224.pth'))))

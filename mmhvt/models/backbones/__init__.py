from .mvit import MViT
from .smvit import SMViT
from .uniformerv2 import UniFormerV2
from .video_swin import VideoSwin
from .vit import VisionTransformer

__all__ = ['MViT', 'SMViT', 'UniFormerV2', 'VideoSwin', 'VisionTransformer']

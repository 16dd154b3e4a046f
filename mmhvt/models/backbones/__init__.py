from .mvit import MViT
from .smvit import SMViT
from .video_swin import VideoSwin
from .vit import VisionTransformer

__all__ = ['MViT', 'SMViT', 'VideoSwin', 'VisionTransformer']

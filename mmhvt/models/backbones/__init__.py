from .mvit import MViT
from .smvit import SMViT
from .vit import VisionTransformer

__all__ = ['MViT', 'SMViT', 'VisionTransformer']

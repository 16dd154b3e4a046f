from .backbones import SMViT
from .heads import RecognitionHead

__all__ = ['RecognitionHead', 'SMViT']

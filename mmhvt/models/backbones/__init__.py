from .smvit import SMViT

__all__ = ['SMViT']

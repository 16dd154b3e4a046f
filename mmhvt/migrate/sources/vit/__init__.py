"""Plain ViTs for images, which UniFormerV2 starts from."""

from . import beit, clip, google, mmpretrain, timm

__all__ = ['beit', 'clip', 'google', 'mmpretrain', 'timm']

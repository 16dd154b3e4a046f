"""SMViT, released as Hiera."""

from . import fair, timm

__all__ = ['fair', 'timm']

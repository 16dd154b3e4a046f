"""MViT and MViTv2."""

from . import detectron2, fair, mmaction, mmpretrain, pyslowfast, pytorchvideo, timm, torchvision

__all__ = ['detectron2', 'fair', 'mmaction', 'mmpretrain', 'pyslowfast', 'pytorchvideo', 'timm', 'torchvision']

"""Video Swin, and Swin for images."""

from . import microsoft, mmaction, mmpretrain, torchvision, video_swin

__all__ = ['microsoft', 'mmaction', 'mmpretrain', 'torchvision', 'video_swin']

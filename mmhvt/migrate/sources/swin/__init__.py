"""Video Swin, and Swin for images."""

from . import detection, detectron2, microsoft, mmaction, mmpretrain, torchvision, video_swin

__all__ = ['detection', 'detectron2', 'microsoft', 'mmaction', 'mmpretrain', 'torchvision', 'video_swin']

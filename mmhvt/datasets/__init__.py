"""Datasets and transforms that mm* lack."""

from .transforms import FiveCrop, RandAugment, ShuffleFrames, ThreeCrop
from .video_dataset import RepeatAugDataset, UnreadableVideoError, VideoDataset

__all__ = [
    'FiveCrop',
    'RandAugment',
    'RepeatAugDataset',
    'ShuffleFrames',
    'ThreeCrop',
    'UnreadableVideoError',
    'VideoDataset',
]

"""Datasets and transforms that mm* lack."""

from .transforms import RandAugment, ShuffleFrames
from .video_dataset import RepeatAugDataset, UnreadableVideoError, VideoDataset

__all__ = ['RandAugment', 'RepeatAugDataset', 'ShuffleFrames', 'UnreadableVideoError', 'VideoDataset']

"""Datasets and transforms that mm* lack."""

from .transforms import RandAugment, ShuffleFrames, ThreeCrop
from .video_dataset import RepeatAugDataset, UnreadableVideoError, VideoDataset

__all__ = ['RandAugment', 'RepeatAugDataset', 'ShuffleFrames', 'ThreeCrop', 'UnreadableVideoError', 'VideoDataset']

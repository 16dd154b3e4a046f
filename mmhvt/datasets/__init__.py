"""Datasets and transforms that mm* lack."""

from .segment_dataset import SegmentVideoDataset
from .transforms import FiveCrop, NameDataset, RandAugment, ShuffleFrames, ThreeCrop
from .video_dataset import RepeatAugDataset, UnreadableVideoError, VideoDataset

__all__ = [
    'FiveCrop',
    'NameDataset',
    'RandAugment',
    'RepeatAugDataset',
    'SegmentVideoDataset',
    'ShuffleFrames',
    'ThreeCrop',
    'UnreadableVideoError',
    'VideoDataset',
]

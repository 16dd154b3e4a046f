"""Datasets and transforms that mm* lack."""

from .transforms import *  # noqa: F403
from .video_dataset import RepeatAugDataset, UnreadableVideoError, VideoDataset

__all__ = ['RepeatAugDataset', 'UnreadableVideoError', 'VideoDataset']

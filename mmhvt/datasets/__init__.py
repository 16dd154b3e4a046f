"""Datasets and transforms that mm* lack."""

from .ava import KeepWholeProposals, RepeatKeyFrame, SampleKeyFrameClip
from .segment_dataset import SegmentVideoDataset
from .transforms import FiveCrop, NameDataset, RandAugment, ShuffleFrames, ThreeCrop
from .video_dataset import RepeatAugDataset, UnreadableVideoError, VideoDataset

__all__ = [
    'FiveCrop',
    'KeepWholeProposals',
    'NameDataset',
    'RandAugment',
    'RepeatAugDataset',
    'RepeatKeyFrame',
    'SampleKeyFrameClip',
    'SegmentVideoDataset',
    'ShuffleFrames',
    'ThreeCrop',
    'UnreadableVideoError',
    'VideoDataset',
]

"""Datasets and transforms that mm* lack."""

from .ava import KeepWholeProposals, RepeatKeyFrame, SampleKeyFrameClip
from .ava_dataset import AVADataset, AVAKineticsDataset
from .rawframe_dataset import RawframeDataset
from .reading import DecordInit
from .segment_dataset import SegmentVideoDataset
from .transforms import FiveCrop, NameDataset, RandAugment, ShuffleFrames, ThreeCrop
from .video_dataset import RepeatAugDataset, UnreadableVideoError, VideoDataset

__all__ = [
    'AVADataset',
    'AVAKineticsDataset',
    'DecordInit',
    'FiveCrop',
    'KeepWholeProposals',
    'NameDataset',
    'RandAugment',
    'RawframeDataset',
    'RepeatAugDataset',
    'RepeatKeyFrame',
    'SampleKeyFrameClip',
    'SegmentVideoDataset',
    'ShuffleFrames',
    'ThreeCrop',
    'UnreadableVideoError',
    'VideoDataset',
]

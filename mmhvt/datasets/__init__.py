"""Datasets and transforms."""

from mmhvt.utils.lazy import lazy_attributes

__getattr__, __dir__, __all__ = lazy_attributes(
    __name__,
    {
        'ava': ['KeepWholeProposals', 'RepeatKeyFrame', 'SampleKeyFrameClip'],
        'ava_dataset': ['AVADataset', 'AVAKineticsDataset'],
        'charades_dataset': ['CharadesDataset'],
        'custom_dataset': ['CustomDataset', 'ImageNet'],
        'detection': ['CocoDataset', 'DetResize'],
        'rawframe_dataset': ['RawframeDataset'],
        'reading': ['DecordInit', 'UnreadableVideoError'],
        'segment_dataset': ['SegmentVideoDataset'],
        'transforms': ['FiveCrop', 'NameDataset', 'RandAugment', 'SampleFrames', 'ShuffleFrames', 'ThreeCrop'],
        'video_dataset': ['RepeatAugDataset', 'VideoDataset'],
    },
)

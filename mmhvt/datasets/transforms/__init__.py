from mmhvt.utils.lazy import lazy_attributes

__getattr__, __dir__, __all__ = lazy_attributes(
    __name__,
    {
        'five_crop': ['FiveCrop'],
        'name_dataset': ['NameDataset'],
        'rand_augment': ['RandAugment'],
        'sample_frames': ['SampleFrames'],
        'shuffle_frames': ['ShuffleFrames'],
        'three_crop': ['ThreeCrop'],
    },
)

"""Heads for recognition and image classification."""

from mmhvt.utils.lazy import lazy_attributes

__getattr__, __dir__, __all__ = lazy_attributes(
    __name__,
    {
        'co_training_head': ['CoTrainingHead'],
        'feature_head': ['FeatureHead'],
        'image_head': ['ImageHead'],
        'multi_label_head': ['MultiLabelHead'],
        'recognition_head': ['RecognitionHead'],
    },
)

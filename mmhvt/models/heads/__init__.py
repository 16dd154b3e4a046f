from .co_training_head import CoTrainingHead
from .image_head import ImageHead
from .multi_label_head import MultiLabelHead
from .recognition_head import RecognitionHead

__all__ = ['CoTrainingHead', 'ImageHead', 'MultiLabelHead', 'RecognitionHead']

from .multi_label_head import MultiLabelHead
from .recognition_head import RecognitionHead

__all__ = ['MultiLabelHead', 'RecognitionHead']

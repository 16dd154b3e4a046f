from .backbones import MViT, SMViT, UniFormerV2, VideoSwin, VisionTransformer
from .heads import MultiLabelHead, RecognitionHead
from .utils import MixupCutmix

__all__ = [
    'MViT',
    'MixupCutmix',
    'MultiLabelHead',
    'RecognitionHead',
    'SMViT',
    'UniFormerV2',
    'VideoSwin',
    'VisionTransformer',
]

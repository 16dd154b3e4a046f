from .backbones import MViT, SMViT, UniFormerV2, VideoSwin, VisionTransformer
from .heads import CoTrainingHead, ImageHead, MultiLabelHead, RecognitionHead
from .necks import SimpleFeaturePyramid
from .selfsup import MAE
from .utils import MixupCutmix

__all__ = [
    'CoTrainingHead',
    'ImageHead',
    'MAE',
    'MViT',
    'MixupCutmix',
    'MultiLabelHead',
    'RecognitionHead',
    'SMViT',
    'SimpleFeaturePyramid',
    'UniFormerV2',
    'VideoSwin',
    'VisionTransformer',
]

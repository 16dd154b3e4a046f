from .backbones import MViT, SMViT, VideoSwin, VisionTransformer
from .heads import MultiLabelHead, RecognitionHead
from .utils import MixupCutmix

__all__ = ['MViT', 'MixupCutmix', 'MultiLabelHead', 'RecognitionHead', 'SMViT', 'VideoSwin', 'VisionTransformer']

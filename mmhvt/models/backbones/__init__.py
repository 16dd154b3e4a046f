from torch.nn.modules.module import register_module_module_registration_hook

from .consumers import check_consumer
from .mvit import MViT
from .smvit import Hiera, SMViT
from .uniformerv2 import UniFormerV2
from .video_swin import VideoSwin
from .vit import VisionTransformer

__all__ = ['Hiera', 'MViT', 'SMViT', 'UniFormerV2', 'VideoSwin', 'VisionTransformer']

# models of other packages run no such check themselves; the hook does, whatever builds them and in whatever order
register_module_module_registration_hook(check_consumer)

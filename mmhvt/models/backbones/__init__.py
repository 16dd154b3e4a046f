from torch.nn.modules.module import register_module_module_registration_hook

from .consumers import check_consumer
from .mvit import MViT
from .smvit import Hiera, SMViT
from .uniformerv2 import UniFormerV2
from .video_swin import VideoSwin
from .vit import VisionTransformer

__all__ = ['Hiera', 'MViT', 'SMViT', 'UniFormerV2', 'VideoSwin', 'VisionTransformer']

# models of other packages do not ask for a check when they are built, in whatever order and by whatever program
register_module_module_registration_hook(check_consumer)

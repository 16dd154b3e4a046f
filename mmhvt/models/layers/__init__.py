from .attention import attend, merge_heads, split_heads
from .mask_units import NestedOrder, check_mask_unit, max_pool_tokens, pool_real
from .patch_embed import PatchEmbed
from .position import PositionEmbedding, resize_position_embedding

__all__ = [
    'NestedOrder',
    'PatchEmbed',
    'PositionEmbedding',
    'attend',
    'check_mask_unit',
    'max_pool_tokens',
    'merge_heads',
    'pool_real',
    'resize_position_embedding',
    'split_heads',
]

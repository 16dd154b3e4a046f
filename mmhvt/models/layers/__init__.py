from .attention import GridBias, as_written, attend, grid_bias_form, merge_heads, place_indicators, split_heads
from .layout import StageMap, as_numbers, channels_first, channels_last, is_hooked
from .mask_units import NestedOrder, check_mask_unit, max_pool_tokens, pool_real
from .norm import LayerNorm2d
from .patch_embed import PatchEmbed
from .position import PositionEmbedding, resize_position_embedding
from .uniblocks import (
    ACTIVATIONS,
    C_MHRA,
    DPE,
    FUSIONS,
    GS_MHRA,
    LT_MHRA,
    TEMPORAL_MODULES,
    GlobalUniBlock,
    LocalUniBlock,
    MultiStageFusion,
    STAdapter,
    TemporalAttention,
    TemporalConv,
)
from .windows import merge_windows, pad_to_multiple, split_windows

__all__ = [
    'ACTIVATIONS',
    'C_MHRA',
    'DPE',
    'FUSIONS',
    'GS_MHRA',
    'LT_MHRA',
    'TEMPORAL_MODULES',
    'GlobalUniBlock',
    'GridBias',
    'LayerNorm2d',
    'LocalUniBlock',
    'MultiStageFusion',
    'NestedOrder',
    'PatchEmbed',
    'PositionEmbedding',
    'STAdapter',
    'StageMap',
    'TemporalAttention',
    'TemporalConv',
    'as_numbers',
    'as_written',
    'attend',
    'channels_first',
    'channels_last',
    'check_mask_unit',
    'grid_bias_form',
    'is_hooked',
    'max_pool_tokens',
    'merge_heads',
    'merge_windows',
    'pad_to_multiple',
    'place_indicators',
    'pool_real',
    'resize_position_embedding',
    'split_heads',
    'split_windows',
]

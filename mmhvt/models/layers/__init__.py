from .attention import attend, merge_heads, split_heads
from .constants import constant
from .depthwise import depthwise_conv
from .drop_path import drop_path_rates
from .layer_scale import LayerScale, build_layer_scale
from .layout import StageMap, as_numbers, channels_first, channels_last, is_hooked
from .mask_units import MaskUnitOrder, check_mask_unit_size, gather_units, max_pool_tokens, mean_pool_tokens, pool_valid
from .mlp import Mlp
from .norm import LayerNorm2d
from .patch_embed import PatchEmbed
from .pooling_attention import POOL_KERNELS, POOL_MODES, Pooling, PoolingAttention, pool_shape
from .position import PositionEmbedding, resize_position_embedding
from .reference import in_reference_math, reference_math
from .relative_position import (
    REL_POS,
    FramePositionBias,
    GridBias,
    RelativePositions,
    RelativePositionTables,
    WindowPositionBias,
    offset_index,
    one_hot_coordinates,
    table_rows,
)
from .tracing import is_traced
from .windows import merge_windows, pad_to_multiple, split_windows

__all__ = [
    'POOL_KERNELS',
    'POOL_MODES',
    'REL_POS',
    'FramePositionBias',
    'GridBias',
    'LayerNorm2d',
    'LayerScale',
    'MaskUnitOrder',
    'Mlp',
    'PatchEmbed',
    'Pooling',
    'PoolingAttention',
    'PositionEmbedding',
    'RelativePositionTables',
    'RelativePositions',
    'StageMap',
    'WindowPositionBias',
    'as_numbers',
    'attend',
    'build_layer_scale',
    'channels_first',
    'channels_last',
    'check_mask_unit_size',
    'constant',
    'depthwise_conv',
    'drop_path_rates',
    'gather_units',
    'in_reference_math',
    'is_hooked',
    'is_traced',
    'max_pool_tokens',
    'mean_pool_tokens',
    'merge_heads',
    'merge_windows',
    'offset_index',
    'one_hot_coordinates',
    'pad_to_multiple',
    'pool_shape',
    'pool_valid',
    'reference_math',
    'resize_position_embedding',
    'split_heads',
    'split_windows',
    'table_rows',
]

"""SMViT of timm, as Hiera (`timm.models.hiera`).

Its models named *abswin* have windowed position embeddings: `pos_embed_win`, tiled, and `pos_embed`, resized, as
(1, C, H, W); the published one also has layer scale and skips without a projection.
"""

import math
from collections.abc import Mapping
from typing import Any

from torch import Tensor

from ...names import NameTable, same
from ...options import as_tuple
from ...source import Source, StateDict, register
from . import common

_SIZES: dict[str, dict[str, Any]] = dict(
    tiny=dict(stages=(1, 2, 7, 2)),
    small=dict(stages=(1, 2, 11, 2)),
    base=dict(stages=(2, 3, 16, 3)),
    base_plus=dict(embed_dim=112, num_heads=2, stages=(2, 3, 16, 3)),
    large=dict(embed_dim=144, num_heads=2, stages=(2, 6, 36, 4)),
    huge=dict(embed_dim=256, num_heads=4, stages=(2, 6, 36, 4)),
)
_ABSWIN = dict(img_size=(256, 256), abs_win_pos_embed=True, init_values=1e-5)


@register()
class TimmHiera(Source):
    """Options are `name`, such as 'hiera_base_224', with arguments of `timm.models.hiera.Hiera`, or these alone;
    `norm_layer` is 'LN' or 'LN eps=…'.
    """

    family, repository, title = 'hiera', 'timm', "timm's Hiera"
    aliases = ('SMViT',)
    signature = ('blocks.0.attn.qkv.weight', 'blocks.0.mlp.fc1.weight', 'head.norm.weight')
    table = NameTable(
        ('pos_embed', 'backbone.pos_embed.joint'),
        ('pos_embed_win', 'backbone.pos_embed.window'),
        ('pos_embed_abs', 'backbone.pos_embed.whole'),
        ('pos_embed_spatial', 'backbone.pos_embed.spatial'),
        ('pos_embed_temporal', 'backbone.pos_embed.temporal'),
        *same('backbone.', 'patch_embed.proj.{leaf}', *common.BLOCKS),
        ('head.norm.{leaf}', 'backbone.norm.{leaf}'),
        ('head.fc.{leaf}', 'cls_head.fc_cls.{leaf}'),
    )
    models = {f'hiera_{size}_224': options for size, options in _SIZES.items()} | dict(
        hiera_small_abswin_256=_SIZES['small'] | _ABSWIN | dict(global_pos_size=(16, 16), use_expand_proj=False),
        hiera_base_abswin_256=_SIZES['base'] | _ABSWIN,
    )
    defaults = common.ARGUMENTS | dict(
        img_size=(224, 224), use_expand_proj=True, init_values=None, abs_win_pos_embed=False, global_pos_size=(14, 14)
    )
    fixed = dict(global_pool='avg', patch_drop_rate=0.0)
    # heads, and initialization
    ignored = ('num_classes', 'drop_rate', 'fix_init', 'weight_init', 'head_init_scale')

    def translate(self, options: dict[str, Any]) -> dict[str, Any]:
        """Config of our backbone."""
        ours = common.backbone_cfg(self.title, options, as_tuple(options['img_size'])) | dict(
            layer_scale=options['init_values'], expand='linear' if options['use_expand_proj'] else 'pool'
        )
        if options['abs_win_pos_embed'] and not options['sep_pos_embed']:  # separate embeddings win, as in theirs
            ours |= dict(pos_embed='windowed', pos_grid=tuple(options['global_pos_size']))
        return ours

    def matches(self, state_dict: Mapping[str, Tensor]) -> bool:
        """Whether names look like timm's Hiera, with or without a classifier."""
        has_positions = any(name.startswith('pos_embed') for name in state_dict)
        return has_positions and 'cls_token' not in state_dict and super().matches(state_dict)

    def unpack(self, theirs: StateDict) -> StateDict:
        """Windowed embeddings as sequences, the resized one under the name of timm's older files."""
        maps = {k: v for k, v in theirs.items() if k.startswith('pos_embed') and v.ndim == 4}
        sequences = {
            'pos_embed_abs' if name == 'pos_embed' else name: value.flatten(2).transpose(1, 2)
            for name, value in maps.items()
        }
        return {name: value for name, value in theirs.items() if name not in maps} | sequences

    def pack(self, theirs: StateDict) -> StateDict:
        """Inverse of :meth:`unpack` for squares.

        Raises:
            ValueError: If a window, or the embedding of a whole image, is not square.
        """
        windowed = {name: theirs[name] for name in ('pos_embed_win', 'pos_embed_abs') if name in theirs}
        maps = {}
        for name, value in windowed.items():
            side = math.isqrt(value.shape[1])
            if side**2 != value.shape[1]:
                raise ValueError(f"{name} of {value.shape[1]} embeddings is not square, as timm's is")
            map_name = 'pos_embed' if name == 'pos_embed_abs' else name
            maps[map_name] = value.transpose(1, 2).unflatten(2, (side, side)).contiguous()
        return {name: value for name, value in theirs.items() if name not in windowed} | maps

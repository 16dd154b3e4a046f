"""SMViT from timm (`timm.models.hiera`): configs and state dicts.

Its models named *abswin* have windowed position embeddings: `pos_embed_win`, tiled, and `pos_embed`, resized, as
(1, C, H, W); the published one also has layer scale and skips without a projection.
"""

import math

from torch import Tensor

from . import hiera
from .names import Names
from .video_swin import settings

# names of golden files and of the command line
NAMES = ('timm-hiera', 'timm-Hiera')

# their names -> those of the public Hiera code
_PARAMETERS = Names(
    "timm's Hiera",
    ('pos_embed', 'pos_embed'),
    ('pos_embed_spatial', 'pos_embed_spatial'),
    ('pos_embed_temporal', 'pos_embed_temporal'),
    ('patch_embed.proj.{leaf}', 'patch_embed.proj.{leaf}'),
    ('blocks.{i}.{rest}', 'blocks.{i}.{rest}'),
    ('head.norm.{leaf}', 'norm.{leaf}'),
    ('head.fc.{leaf}', 'head.projection.{leaf}'),
)
# what that code does not have -> ours
_OWN = Names(
    "timm's Hiera",
    ('pos_embed_win', 'backbone.pos_embed.window'),
    ('pos_embed', 'backbone.pos_embed.whole'),
    ('blocks.{i}.ls{n}.gamma', 'backbone.blocks.{i}.gamma{n}'),
)

_SIZES = dict(
    tiny=dict(stages=(1, 2, 7, 2)),
    small=dict(stages=(1, 2, 11, 2)),
    base=dict(stages=(2, 3, 16, 3)),
    base_plus=dict(embed_dim=112, num_heads=2, stages=(2, 3, 16, 3)),
    large=dict(embed_dim=144, num_heads=2, stages=(2, 6, 36, 4)),
    huge=dict(embed_dim=256, num_heads=4, stages=(2, 6, 36, 4)),
)
_ABSWIN = dict(img_size=(256, 256), abs_win_pos_embed=True, init_values=1e-5)
_MODELS = {f'hiera_{size}_224': cfg for size, cfg in _SIZES.items()} | dict(
    hiera_small_abswin_256=_SIZES['small'] | _ABSWIN | dict(global_pos_size=(16, 16), use_expand_proj=False),
    hiera_base_abswin_256=_SIZES['base'] | _ABSWIN,
)

_DEFAULTS = dict(
    img_size=(224, 224),
    in_chans=3,
    embed_dim=96,
    num_heads=1,
    stages=(2, 3, 16, 3),
    q_pool=3,
    q_stride=(2, 2),
    mask_unit_size=(8, 8),
    mask_unit_attn=(True, True, False, False),
    use_expand_proj=True,
    dim_mul=2.0,
    head_mul=2.0,
    patch_kernel=(7, 7),
    patch_stride=(4, 4),
    patch_padding=(3, 3),
    mlp_ratio=4.0,
    drop_path_rate=0.0,
    init_values=None,
    norm_layer='LN',
    sep_pos_embed=False,
    abs_win_pos_embed=False,
    global_pos_size=(14, 14),
)
# what is only supported as their own models have it
_FIXED = dict(global_pool='avg', patch_drop_rate=0.0)
# heads, and initialisation, which is no business of weights that are there
_IGNORED = ('num_classes', 'drop_rate', 'fix_init', 'weight_init', 'head_init_scale')


def backbone_cfg(reference_config: dict) -> dict:
    """Config of our backbone from a model of theirs.

    Args:
        reference_config: `name`, such as 'hiera_base_224' (a tag behind a dot does not matter), with arguments of
            `timm.models.hiera.Hiera`; or these alone. `norm_layer` is 'LN' or 'LN eps=…'.

    Raises:
        ValueError: For a name or argument that is not known.
    """
    given = dict(reference_config)
    name = given.pop('name', None)
    if name is not None:
        if name.split('.')[0] not in _MODELS:
            raise ValueError(f'timm: no Hiera {name!r}: choose from {", ".join(_MODELS)}')
        given = _MODELS[name.split('.')[0]] | given
    cfg = settings('timm', given, _DEFAULTS, _FIXED, _IGNORED)
    size = cfg['img_size']
    cfg['input_size'] = (size, size) if isinstance(size, int) else tuple(size)
    ours = hiera.backbone_cfg(cfg) | dict(
        layer_scale=cfg['init_values'], expand='linear' if cfg['use_expand_proj'] else 'pool'
    )
    # as theirs, in which separate embeddings win
    if cfg['abs_win_pos_embed'] and not cfg['sep_pos_embed']:
        del ours['sep_pos_embed']
        ours |= dict(pos_embed='windowed', pos_grid=tuple(cfg['global_pos_size']))
    return ours | dict(in_channels=cfg['in_chans'])


def recognise(state_dict: dict[str, Tensor]) -> bool:
    """Whether names look like timm's Hiera, with or without a classifier."""
    return (
        'blocks.0.attn.qkv.weight' in state_dict
        and 'blocks.0.mlp.fc1.weight' in state_dict
        and 'head.norm.weight' in state_dict
        and any(name.startswith('pos_embed') for name in state_dict)
        and 'cls_token' not in state_dict
    )


def state_dict(reference_state_dict: dict[str, Tensor]) -> dict[str, Tensor]:
    """Their state dict with the names of an mmaction recognizer of ours (`backbone.…`, `cls_head.fc_cls.…`).

    Raises:
        ValueError: For a name that Hiera does not have.
    """
    ours, theirs = {}, {}
    for name, value in reference_state_dict.items():
        name = 'pos_embed' if name == 'pos_embed_abs' else name  # as timm reads its older files
        if name == 'pos_embed_win' or (name == 'pos_embed' and value.ndim == 4):
            ours[_OWN.ours(name)] = value.flatten(2).transpose(1, 2)
        elif '.ls' in name:
            ours[_OWN.ours(name)] = value
        else:
            theirs[_PARAMETERS.ours(name)] = value
    return ours | hiera.state_dict(theirs)


def export(state_dict: dict[str, Tensor]) -> dict[str, Tensor]:
    """Inverse of :func:`state_dict`, where windows and the table for the whole image are squares.

    Raises:
        ValueError: For a name that Hiera does not have, or a table that is no square.
    """
    theirs, others = {}, {}
    for name, value in state_dict.items():
        if name in ('backbone.pos_embed.window', 'backbone.pos_embed.whole'):
            side = math.isqrt(value.shape[1])
            if side**2 != value.shape[1]:
                raise ValueError(f'{name} of {value.shape[1]} embeddings is no square, which exports would need')
            theirs[_OWN.theirs(name)] = value.transpose(1, 2).unflatten(2, (side, side)).contiguous()
        elif '.gamma' in name:
            theirs[_OWN.theirs(name)] = value
        else:
            others[name] = value
    return theirs | {_PARAMETERS.theirs(name): value for name, value in hiera.export(others).items()}

"""UniFormerV2 from the authors' code (`slowfast/models/uniformerv2_model.py`): configs and state dicts."""

import re
from collections.abc import Mapping

import torch
from torch import Tensor

from . import clip
from .names import Names

# names of golden files and of the command line
NAMES = ('UniFormerV2', 'uniformerv2')

_LOCAL = 'transformer.resblocks.{i}.', 'backbone.blocks.{i}.'
_GLOBAL = 'transformer.dec.{i}.', 'backbone.fusion.blocks.{i}.'


def _pairs(prefixes: tuple[str, str], *pairs: tuple[str, str]) -> list[tuple[str, str]]:
    return [(prefixes[0] + theirs, prefixes[1] + ours) for theirs, ours in pairs]


def _lt_mhra(number: int) -> list[tuple[str, str]]:
    layers = ('norm', 'value', 'conv', 'proj')
    return _pairs(
        _LOCAL,
        *(
            (f'lmhra{number}.pos_embed.{j}.{{leaf}}', f'temporal{number}.{name}.{{leaf}}')
            for j, name in enumerate(layers)
        ),
    )


_PARAMETERS = Names(
    'UniFormerV2',
    *clip.SHARED,
    *_lt_mhra(1),
    *_lt_mhra(2),
    ('transformer.temporal_cls_token', 'backbone.fusion.queries'),
    ('transformer.balance', 'backbone.balance'),
    ('transformer.dpe.{i}.{leaf}', 'backbone.fusion.blocks.{i}.dpe.conv.{leaf}'),
    *_pairs(
        _GLOBAL,
        ('attn.out_proj.{leaf}', 'attn.proj.{leaf}'),
        ('ln_1.{leaf}', 'norm_q.{leaf}'),
        ('ln_3.{leaf}', 'norm_kv.{leaf}'),
        ('ln_2.{leaf}', 'norm2.{leaf}'),
        ('mlp.c_fc.{leaf}', 'mlp.0.{leaf}'),
        ('mlp.c_proj.{leaf}', 'mlp.3.{leaf}'),
    ),
    ('transformer.proj.0.{leaf}', 'backbone.norm.{leaf}'),
    ('transformer.proj.2.{leaf}', 'cls_head.fc_cls.{leaf}'),
)

_DEFAULTS = dict(
    resolution=224,
    patch_size=16,
    width=768,
    layers=12,
    heads=12,
    dw_reduction=1.5,
    kernel_size=3,
    temporal_downsample=True,
    no_lmhra=False,
    double_lmhra=True,
    return_list=(8, 9, 10, 11),
    n_head=None,
    mlp_factor=4.0,
    mlp_dropout=0.5,
    backbone_drop_path_rate=0.0,
    drop_path_rate=0.0,
    frozen=False,
    t_size=16,
    norm='LN eps=1e-5',
)
# of the head, of the builder, and what others say already
_IGNORED = ('builder', 'n_layers', 'n_dim', 'num_classes', 'cls_dropout', 'use_checkpoint', 'checkpoint_num')


def backbone_cfg(reference_config: Mapping) -> dict:
    """Config of our backbone from the arguments of their `VisionTransformer`.

    Args:
        reference_config: Arguments; those left out have the values of their `uniformerv2_b16`.

    Raises:
        ValueError: For a setting that is not known or that the class does not have.
    """
    wrong = set(reference_config) - set(_DEFAULTS) - set(_IGNORED)
    if wrong:
        raise ValueError(f'UniFormerV2: settings that are not known: {", ".join(sorted(wrong))}')
    cfg = _DEFAULTS | {key: value for key, value in reference_config.items() if key in _DEFAULTS}
    norm = re.fullmatch(r'(?:LN|LayerNorm)(?: eps=(\S+))?', cfg['norm'])
    if norm is None:
        raise ValueError(f'UniFormerV2: norm {cfg["norm"]!r} is not known; LayerNorm is')
    if reference_config.get('n_dim', cfg['width']) != cfg['width']:
        raise ValueError(f'UniFormerV2: n_dim={reference_config["n_dim"]} is not known; {cfg["width"]}, the width, is')
    if reference_config.get('n_layers', len(cfg['return_list'])) != len(cfg['return_list']):
        raise ValueError(f'UniFormerV2: n_layers={reference_config["n_layers"]} for return_list={cfg["return_list"]}')
    dropout = cfg['mlp_dropout'] if isinstance(cfg['mlp_dropout'], float | int) else set(cfg['mlp_dropout'])
    if isinstance(dropout, set) and len(dropout) > 1:
        raise ValueError(f'UniFormerV2: mlp_dropout={cfg["mlp_dropout"]} is not known; one number for all blocks is')
    size = cfg['resolution']
    return dict(
        type='mmhvt.UniFormerV2',
        arch=dict(embed_dims=cfg['width'], num_heads=cfg['heads'], depth=cfg['layers'], patch_size=cfg['patch_size']),
        input_size=(cfg['t_size'], size, size),
        vit=dict(act='quick_gelu', pre_norm=True, patch_bias=False, eps=float(norm[1] or 1e-5)),
        local_layers=None if cfg['no_lmhra'] else 'all',
        local_times=2 if cfg['double_lmhra'] else 1,
        local_reduction=cfg['dw_reduction'],
        global_layers=[i + 1 for i in cfg['return_list']] or None,
        global_num_heads=cfg['n_head'],
        global_mlp_ratio=cfg['mlp_factor'],
        global_dropout=dropout.pop() if isinstance(dropout, set) else dropout,
        temporal_downsample=cfg['temporal_downsample'],
        patch_frames=cfg['kernel_size'],
        drop_path_rate=cfg['backbone_drop_path_rate'],
        global_drop_path_rate=cfg['drop_path_rate'],
        frozen=cfg['frozen'],
    )


def recognise(state_dict: dict[str, Tensor]) -> bool:
    """Whether names look like UniFormerV2's."""
    return 'transformer.resblocks.0.ln_1.weight' in state_dict and 'transformer.balance' in state_dict


def state_dict(reference_state_dict: dict[str, Tensor]) -> dict[str, Tensor]:
    """Their state dict with the names of an mmaction recognizer of ours (`backbone.…`, `cls_head.fc_cls.…`).

    Raises:
        ValueError: For a name that UniFormerV2 does not have.
    """
    ours = {}
    for name, value in reference_state_dict.items():
        if name == 'positional_embedding':
            ours['backbone.pos_embed.cls'], ours['backbone.pos_embed.spatial'] = value[None, :1], value[None, 1:]
        elif match := re.fullmatch(r'transformer\.dec\.(\d+)\.attn\.in_proj_(\w+)', name):
            prefix = f'backbone.fusion.blocks.{match[1]}.attn.'
            dims = len(value) // 3
            ours[f'{prefix}q.{match[2]}'], ours[f'{prefix}kv.{match[2]}'] = value[:dims], value[dims:]
        else:
            ours[_PARAMETERS.ours(name)] = _reshape(name, value)
    return ours


def _reshape(name: str, value: Tensor) -> Tensor:
    """Their point-wise convolutions are linear layers here, and depth-wise ones have no width."""
    if name == 'class_embedding':
        return value[None, None]
    if '.pos_embed.' in name and value.ndim == 5:
        return value[..., 0] if value.shape[2] > 1 or '.pos_embed.2.' in name else value[:, :, 0, 0, 0]
    return value


def export(state_dict: dict[str, Tensor]) -> dict[str, Tensor]:
    """Inverse of :func:`state_dict`.

    Raises:
        ValueError: For a name that their UniFormerV2 does not have.
    """
    theirs = {}
    for name, value in state_dict.items():
        match = re.fullmatch(r'backbone\.fusion\.blocks\.(\d+)\.attn\.(q|kv)\.(\w+)', name)
        if name == 'backbone.pos_embed.cls':
            theirs['positional_embedding'] = torch.cat([value, state_dict['backbone.pos_embed.spatial']], 1)[0]
        elif match and match[2] == 'q':
            keys_values = state_dict[name.replace('.q.', '.kv.')]
            theirs[f'transformer.dec.{match[1]}.attn.in_proj_{match[3]}'] = torch.cat([value, keys_values])
        elif not match and name != 'backbone.pos_embed.spatial':
            their_name = _PARAMETERS.theirs(name)
            if their_name == 'class_embedding':
                value = value[0, 0]
            elif '.pos_embed.2.weight' in their_name:
                value = value[..., None]
            elif re.search(r'\.pos_embed\.[13]\.weight', their_name):
                value = value[..., None, None, None]
            theirs[their_name] = value
    return theirs

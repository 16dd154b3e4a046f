"""BEiT from its authors' code (microsoft/unilm) and from timm: configs and state dicts.

Blocks have layer scale, a table of relative position biases, and biases of queries and values alone: one of the keys
would change nothing, since it adds the same to the scores of all keys. Pre-training has one table for all blocks, of
which each gets a copy, as the authors' fine-tuning does it. Positions in the table (`relative_position_index`), which
are no parameters, are left out and not exported.
"""

import re

import torch
from torch import Tensor

from . import vit
from .names import Names
from .video_swin import settings

# names of golden files and of the command line
NAMES = ('BEiT', 'beit', 'BeiT')

_PARAMETERS = Names(
    'BEiT',
    *vit.SHARED,
    ('blocks.{i}.gamma_{n}', 'backbone.blocks.{i}.gamma{n}'),
    ('blocks.{i}.attn.relative_position_bias_table', 'backbone.blocks.{i}.attn.rel_pos.table'),
    # of pre-training alone
    ('lm_head.{rest}', 'decoder.lm_head.{rest}'),
    ('cls_pt_layers.{rest}', 'decoder.cls_pt_layers.{rest}'),
)
_SHARED_TABLE = 'rel_pos_bias.relative_position_bias_table'

_DEFAULTS = dict(
    img_size=224,
    patch_size=16,
    in_chans=3,
    embed_dim=768,
    depth=12,
    num_heads=12,
    mlp_ratio=4.0,
    qkv_bias=True,
    init_values=None,
    use_abs_pos_emb=True,
    use_rel_pos_bias=False,
    use_shared_rel_pos_bias=False,
    drop_path_rate=0.0,
    norm_layer='LN',
)
# what is only supported as published models have it
_FIXED = dict(swiglu_mlp=False, scale_mlp=False)
_IGNORED = ('num_classes', 'global_pool', 'head_init_scale', 'use_fc_norm')


def backbone_cfg(reference_config: dict) -> dict:
    """Config of our backbone, for images and without UniBlocks, from the arguments of timm's `Beit`.

    Args:
        reference_config: Its arguments; those left out have its defaults. `norm_layer` is 'LN' or 'LN eps=…'.

    Raises:
        ValueError: For an argument that is not known.
    """
    cfg = settings('BEiT', reference_config, _DEFAULTS, _FIXED, _IGNORED)
    return vit.common_cfg('BEiT', cfg) | dict(
        vit=dict(
            layer_scale=bool(cfg['init_values']),
            rel_pos_bias=cfg['use_rel_pos_bias'] or cfg['use_shared_rel_pos_bias'],
            abs_pos=cfg['use_abs_pos_emb'],
            eps=vit.norm_eps('BEiT', cfg['norm_layer']),
        )
    )


def recognise(state_dict: dict[str, Tensor]) -> bool:
    """Whether names look like BEiT's."""
    tables = (_SHARED_TABLE, 'blocks.0.attn.relative_position_bias_table')
    return (
        'cls_token' in state_dict
        and 'blocks.0.mlp.fc1.weight' in state_dict
        and any(name in state_dict for name in tables)
    )


def state_dict(reference_state_dict: dict[str, Tensor]) -> dict[str, Tensor]:
    """Their state dict with the names of an mmaction recognizer of ours (`backbone.…`, `cls_head.fc_cls.…`).

    Raises:
        ValueError: For a name that BEiT does not have.
    """
    blocks = sorted({match[0] for name in reference_state_dict if (match := re.match(r'blocks\.\d+\.', name))})
    ours = {}
    for name, value in reference_state_dict.items():
        bias = re.fullmatch(r'(blocks\.\d+\.attn\.)([qv])_bias', name)
        if name == 'pos_embed':
            ours |= vit.split_positions(value)
        elif name == _SHARED_TABLE:
            ours |= {f'backbone.{block}attn.rel_pos.table': value.clone() for block in blocks}
        elif bias and bias[2] == 'q':
            biases = [value, torch.zeros_like(value), reference_state_dict[f'{bias[1]}v_bias']]
            ours[f'backbone.{bias[1]}qkv.bias'] = torch.cat(biases)
        elif not bias and not name.endswith('relative_position_index'):
            ours[_PARAMETERS.ours(name)] = value
    return ours


def export(state_dict: dict[str, Tensor]) -> dict[str, Tensor]:
    """Inverse of :func:`state_dict`, with a table in each block.

    Raises:
        ValueError: For a name that BEiT does not have.
    """
    theirs = {}
    for name, value in state_dict.items():
        if name == 'backbone.pos_embed.spatial':
            theirs['pos_embed'] = vit.join_positions(state_dict)
        elif name.startswith('backbone.') and name.endswith('.qkv.bias'):
            prefix = name.removeprefix('backbone.').removesuffix('qkv.bias')
            theirs[f'{prefix}q_bias'], _, theirs[f'{prefix}v_bias'] = value.chunk(3)
        elif name != 'backbone.pos_embed.cls':
            theirs[_PARAMETERS.theirs(name)] = value
    return theirs

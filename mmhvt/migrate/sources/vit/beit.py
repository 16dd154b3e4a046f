"""BEiT of its authors (microsoft/unilm) and of timm.

Blocks have layer scale, a table of relative position biases, and biases only of queries and values: one of the keys
would change nothing, since it adds the same to the scores of all keys. Pre-training has one table for all blocks; each
block gets a copy of it, as in the authors' fine-tuning. An export has a table in each block.
"""

import re
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from ...names import NameTable
from ...options import layer_norm_eps
from ...source import Source, StateDict, register
from . import common

_TABLE = 'attn.relative_position_bias_table'
_SHARED_TABLE = 'rel_pos_bias.relative_position_bias_table'


@register()
class BEiT(Source):
    """Options are arguments of timm's `Beit`; `norm_layer` is 'LN' or 'LN eps=…'."""

    family, repository, title = 'vit', 'beit', 'BEiT'
    aliases = ('unilm', 'microsoft')
    buffers = ('relative_position_index',)
    signature = ('cls_token', 'blocks.0.mlp.fc1.weight')
    table = NameTable(
        *common.PARAMETERS,
        ('blocks.{i}.gamma_{n}', 'backbone.blocks.{i}.ls{n}.gamma'),
        (f'blocks.{{i}}.{_TABLE}', 'backbone.blocks.{i}.attn.rel_pos.table'),
        # only in pre-training
        ('lm_head.{rest}', 'decoder.lm_head.{rest}'),
        ('cls_pt_layers.{rest}', 'decoder.cls_pt_layers.{rest}'),
    )
    defaults = common.ARGUMENTS | dict(use_abs_pos_emb=True, use_rel_pos_bias=False, use_shared_rel_pos_bias=False)
    fixed = dict(swiglu_mlp=False, scale_mlp=False)
    ignored = ('num_classes', 'global_pool', 'head_init_scale', 'use_fc_norm')

    def translate(self, options: dict[str, Any]) -> dict[str, Any]:
        """Config of our backbone."""
        style = dict(
            layer_scale=options['init_values'] or None,
            rel_pos_bias=options['use_rel_pos_bias'] or options['use_shared_rel_pos_bias'],
            abs_pos=options['use_abs_pos_emb'],
            eps=layer_norm_eps(self.title, 'norm_layer', options['norm_layer'], 1e-6),
        )
        return common.vit_cfg(self.title, options, style)

    def matches(self, state_dict: Mapping[str, Tensor]) -> bool:
        """Whether names look like BEiT's."""
        has_table = _SHARED_TABLE in state_dict or f'blocks.0.{_TABLE}' in state_dict
        return has_table and super().matches(state_dict)

    def pooled(self, reference_state_dict: Mapping[str, Tensor]) -> str | None:
        """The mean of the patches, if a norm of its own follows it."""
        return common.pooled_before(reference_state_dict, mean='fc_norm.weight', token='norm.weight')

    def unpack(self, theirs: StateDict) -> StateDict:
        """A table and all biases in each block, positions of the class token apart."""
        blocks = sorted({match[0] for name in theirs if (match := re.match(r'blocks\.\d+\.', name))})
        if _SHARED_TABLE in theirs:
            table = theirs.pop(_SHARED_TABLE)
            theirs |= {f'{block}{_TABLE}': table.clone() for block in blocks}
        for block in blocks:
            if f'{block}attn.q_bias' in theirs:
                query, value = (theirs.pop(f'{block}attn.{part}_bias') for part in 'qv')
                theirs[f'{block}attn.qkv.bias'] = torch.cat([query, torch.zeros_like(query), value])
        return common.split_positions(theirs)

    def pack(self, theirs: StateDict) -> StateDict:
        """Inverse of :meth:`unpack`, with a table in each block."""
        theirs = common.join_positions(theirs)
        for name in [name for name in theirs if re.fullmatch(r'blocks\.\d+\.attn\.qkv\.bias', name)]:
            prefix = name.removesuffix('qkv.bias')
            theirs[f'{prefix}q_bias'], _, theirs[f'{prefix}v_bias'] = theirs.pop(name).chunk(3)
        return theirs

"""MViT of PyTorchVideo (`pytorchvideo.models.vision_transformers`).

Blocks are PySlowFast's. Files from 2021 have poolings and their norms once, later ones twice. PyTorchVideo also loads
the old names, which are the exported ones.
"""

import re
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from ...options import as_tuple
from ...source import StateDict, register
from .common import split_class_position
from .pyslowfast import PySlowFastMViT

# PySlowFast's names of their options
_OPTIONS = dict(
    cls_embed_on='CLS_EMBED_ON',
    sep_pos_embed='SEP_POS_EMBED',
    depth='DEPTH',
    patch_embed_dim='EMBED_DIM',
    conv_patch_embed_kernel='PATCH_KERNEL',
    conv_patch_embed_stride='PATCH_STRIDE',
    conv_patch_embed_padding='PATCH_PADDING',
    use_2d_patch='PATCH_2D',
    num_heads='NUM_HEADS',
    mlp_ratio='MLP_RATIO',
    qkv_bias='QKV_BIAS',
    droppath_rate_block='DROPPATH_RATE',
    pooling_mode='MODE',
    residual_pool='RESIDUAL_POOLING',
    embed_dim_mul='DIM_MUL',
    atten_head_mul='HEAD_MUL',
    dim_mul_in_att='DIM_MUL_IN_ATT',
    pool_q_stride_size='POOL_Q_STRIDE',
    pool_kv_stride_size='POOL_KV_STRIDE',
    pool_kv_stride_adaptive='POOL_KV_STRIDE_ADAPTIVE',
    pool_kvq_kernel='POOL_KVQ_KERNEL',
    temporal_size='NUM_FRAMES',
    spatial_size='CROP',
)
_REQUIRED = ('spatial_size', 'temporal_size')
_DEFAULTS = {name: PySlowFastMViT.defaults[key] for name, key in _OPTIONS.items() if name not in _REQUIRED} | dict(
    sep_pos_embed=True, conv_patch_embed_padding=(1, 3, 3), droppath_rate_block=0.0, input_channels=3
)
_BASE = dict(
    spatial_size=224,
    embed_dim_mul=[[1, 2.0], [3, 2.0], [14, 2.0]],
    atten_head_mul=[[1, 2.0], [3, 2.0], [14, 2.0]],
    pool_q_stride_size=[[1, 1, 2, 2], [3, 1, 2, 2], [14, 1, 2, 2]],
)
_VIDEO = dict(_BASE, pool_kv_stride_adaptive=[1, 8, 8], pool_kvq_kernel=[3, 3, 3])
_IMAGE = dict(
    _BASE,
    temporal_size=1,
    use_2d_patch=True,
    conv_patch_embed_kernel=[7, 7],
    conv_patch_embed_stride=[4, 4],
    conv_patch_embed_padding=[3, 3],
    pool_kv_stride_adaptive=[1, 4, 4],
    pool_kvq_kernel=[1, 3, 3],
)
_STEM, _POSITIONS = 'patch_embed.patch_model.', 'cls_positional_encoding.'
# poolings and norms of newer files
_TWINS = re.compile(r'(.+\.)_attention_pool_([qkv])\.(pool|norm)\.(weight|bias)')


@register()
class PyTorchVideoMViT(PySlowFastMViT):
    """Options are arguments of `create_multiscale_vision_transformers`, or `name`, such as 'mvit_base_16x4', with some
    of them.
    """

    repository, title = 'pytorchvideo', "PyTorchVideo's MViT"
    aliases, golden = (), None
    models = dict(
        mvit_base_16x4=dict(_VIDEO, temporal_size=16),
        mvit_base_32x3=dict(_VIDEO, temporal_size=32),
        mvit_base_16=_IMAGE,
    )
    required = _REQUIRED
    defaults = _DEFAULTS
    fixed = dict(
        norm='layernorm', enable_patch_embed=True, enable_patch_embed_norm=False, dropout_rate_block=0.0,
        pool_first=False, depthwise_conv=True, bias_on=True,
    )  # fmt: skip
    # heads, and how a model is built; separate_qkv shows in a file
    ignored = (
        'separate_qkv', 'head', 'head_dropout_rate', 'head_activation', 'head_num_classes', 'create_scriptable_model',
        'multiscale_vit_class',
    )  # fmt: skip

    def translate(self, options: dict[str, Any]) -> dict[str, Any]:
        """Config of our backbone."""
        sides = set(as_tuple(options['spatial_size']))
        if len(sides) > 1:
            raise ValueError(
                f'{self.title}: spatial_size={options["spatial_size"]} is not supported: choose the side of a square'
            )
        section = PySlowFastMViT.defaults | {theirs: options[ours] for ours, theirs in _OPTIONS.items()}
        section['CROP'] = sides.pop()
        if section['PATCH_2D']:
            section['SEP_POS_EMBED'] = False  # there is one position in time, which is added to those in space
        ours = super().translate(section) | dict(in_channels=options['input_channels'])
        # unlike PySlowFast's, theirs adds its query to the class token, too
        return ours | dict(residual_pooling='all' if options['residual_pool'] else False)

    def matches(self, state_dict: Mapping[str, Tensor]) -> bool:
        """Whether names look like their MViT, whatever head it has."""
        return f'{_STEM}weight' in state_dict and any(name.startswith(_POSITIONS) for name in state_dict)

    def left_out(self, reference_state_dict: Mapping[str, Tensor]) -> dict[str, str]:
        """What newer files have under two names."""
        twins = {name: match for name in reference_state_dict if (match := _TWINS.fullmatch(name))}
        return {name: 'there twice' for name, match in twins.items() if _single(match) in reference_state_dict}

    def unpack(self, theirs: StateDict) -> StateDict:
        """PySlowFast's names, positions of an image in one tensor."""
        theirs = {_as_pyslowfast(name): value for name, value in theirs.items()}
        if theirs['patch_embed.proj.weight'].ndim == 4 and 'pos_embed_spatial' in theirs:
            theirs['pos_embed'] = theirs.pop('pos_embed_spatial') + theirs.pop('pos_embed_temporal')
            if 'pos_embed_class' in theirs:
                theirs['pos_embed'] = torch.cat([theirs.pop('pos_embed_class'), theirs['pos_embed']], 1)
        return super().unpack(theirs)

    def pack(self, theirs: StateDict) -> StateDict:
        """Inverse of :meth:`unpack`; queries, keys and values apart, an image's position in time is zero."""
        theirs = super().pack(theirs)
        if theirs['patch_embed.proj.weight'].ndim == 4 and 'pos_embed' in theirs:
            theirs = split_class_position(theirs)
            theirs['pos_embed_spatial'] = theirs.pop('pos_embed')
            theirs['pos_embed_temporal'] = torch.zeros_like(theirs['pos_embed_spatial'][:, :1])
        for name in [name for name in theirs if re.search(r'\.attn\.qkv\.(weight|bias)$', name)]:
            block, leaf = name.rsplit('.qkv.', 1)
            theirs |= {f'{block}.{part}.{leaf}': v for part, v in zip('qkv', theirs.pop(name).chunk(3), strict=True)}
        return {_as_theirs(name): value for name, value in theirs.items()}


def _single(match: re.Match) -> str:
    return f'{match[1]}{match[3]}_{match[2]}.{match[4]}'


def _as_pyslowfast(name: str) -> str:
    if match := _TWINS.fullmatch(name):
        return _single(match)
    name = name.removeprefix(_POSITIONS).replace(_STEM, 'patch_embed.proj.')
    return re.sub(r'^head\.proj\.', 'head.projection.', re.sub(r'^norm_embed\.', 'norm.', name))


def _as_theirs(name: str) -> str:
    if name == 'cls_token' or name.startswith('pos_embed'):
        return _POSITIONS + name
    name = name.replace('patch_embed.proj.', _STEM)
    return re.sub(r'^head\.projection\.', 'head.proj.', re.sub(r'^norm\.', 'norm_embed.', name))

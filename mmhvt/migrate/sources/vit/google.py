"""ViT from Google's own files (google-research/vision_transformer, `.npz`, Flax's names)."""

import re
from collections.abc import Mapping

import torch
from torch import Tensor

from ...names import NameTable
from ...source import StateDict, register
from .common import join_positions, split_positions
from .timm import TimmViT

_BLOCK = 'Transformer/encoderblock_{i}/', 'backbone.blocks.{i}.'
_ATTENTION = f'{_BLOCK[0]}MultiHeadDotProductAttention_1/'
_LAYERS = (
    ('embedding/', 'backbone.patch_embed.proj.'),
    (f'{_BLOCK[0]}LayerNorm_0/', f'{_BLOCK[1]}norm1.'),
    (f'{_BLOCK[0]}LayerNorm_2/', f'{_BLOCK[1]}norm2.'),
    (f'{_ATTENTION}qkv/', f'{_BLOCK[1]}attn.qkv.'),
    (f'{_ATTENTION}out/', f'{_BLOCK[1]}attn.proj.'),
    (f'{_BLOCK[0]}MlpBlock_3/Dense_0/', f'{_BLOCK[1]}mlp.fc1.'),
    (f'{_BLOCK[0]}MlpBlock_3/Dense_1/', f'{_BLOCK[1]}mlp.fc2.'),
    ('Transformer/encoder_norm/', 'backbone.norm.'),
    ('pre_logits/', 'cls_head.pre_logits.'),
    ('head/', 'cls_head.fc_cls.'),
)
_QKV = ('query', 'key', 'value')
_POSITIONS = 'Transformer/posembed_input/pos_embedding'


@register()
class GoogleViT(TimmViT):
    """Options are those of the same model in timm."""

    repository, title, aliases = 'google', "Google's ViT", ('vision_transformer',)
    signature = ('embedding/kernel', 'Transformer/encoderblock_0/LayerNorm_0/scale')
    table = NameTable(
        ('cls', 'backbone.cls_token'),
        ('pos_embed_cls', 'backbone.pos_embed.cls'),
        ('pos_embed_spatial', 'backbone.pos_embed.spatial'),
        *(
            (theirs + flax, ours + leaf)
            for theirs, ours in _LAYERS
            for flax, leaf in (('scale' if 'norm' in ours else 'kernel', 'weight'), ('bias', 'bias'))
        ),
    )

    def matches(self, state_dict: Mapping[str, Tensor]) -> bool:
        """Whether names look like Google's ViT."""
        return all(name in state_dict for name in self.signature)

    def unpack(self, theirs: StateDict) -> StateDict:
        """Kernels as PyTorch's weights, queries, keys and values in one layer, positions of the class token apart."""
        theirs = {name: _as_weight(name, value) for name, value in theirs.items()}
        for name in [name for name in theirs if '/query/' in name]:
            parts = [theirs.pop(name.replace('/query/', f'/{part}/')) for part in _QKV]
            theirs[name.replace('/query/', '/qkv/')] = torch.cat(parts)
        positions = theirs.pop(_POSITIONS, None)
        return theirs if positions is None else split_positions(theirs | dict(pos_embed=positions))

    def pack(self, theirs: StateDict) -> StateDict:
        """Inverse of :meth:`unpack`. Heads have 64 channels, or 80 in a model with 1280 (H), as in all of theirs."""
        theirs = join_positions(theirs)
        if 'pos_embed' in theirs:
            theirs[_POSITIONS] = theirs.pop('pos_embed')
        for name in [name for name in theirs if '/qkv/' in name]:
            parts = theirs.pop(name).chunk(3)
            theirs |= {name.replace('/qkv/', f'/{part}/'): value for part, value in zip(_QKV, parts, strict=True)}
        return {name: _as_kernel(name, value) for name, value in theirs.items()}


def _as_weight(name: str, value: Tensor) -> Tensor:
    """An array of Flax as PyTorch has it: channels out first, heads side by side."""
    if re.search(r'/(query|key|value)/', name):
        value = value.flatten(-2)  # (C, heads, d) or (heads, d)
    elif name.endswith('/out/kernel'):
        value = value.flatten(0, 1)  # (heads, d, C)
    if name.endswith('/kernel'):
        return value.permute(3, 2, 0, 1) if value.ndim == 4 else value.t()
    return value


def _as_kernel(name: str, value: Tensor) -> Tensor:
    """Inverse of :func:`_as_weight`."""
    if name.endswith('/kernel'):
        value = value.permute(2, 3, 1, 0) if value.ndim == 4 else value.t()
    heads = (-1, 80 if value.shape[-1] == 1280 else 64)
    if name.endswith('/out/kernel'):
        return value.unflatten(0, heads)
    return value.unflatten(-1, heads) if re.search(r'/(query|key|value)/', name) else value

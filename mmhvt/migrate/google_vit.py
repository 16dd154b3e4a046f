"""ViT from Google's own files (google-research/vision_transformer, `.npz`, Flax's names): configs and state dicts."""

import re

import torch
from torch import Tensor

from . import vit
from .names import Names

# names of golden files and of the command line
NAMES = ('Google-ViT', 'google-vit', 'vision_transformer')

_BLOCK = 'Transformer/encoderblock_{i}/', 'blocks.{i}.'
# their names -> timm's
_PARAMETERS = Names(
    "Google's ViT",
    ('cls', 'cls_token'),
    ('Transformer/posembed_input/pos_embedding', 'pos_embed'),
    *(
        (theirs + flax, ours + leaf)
        for theirs, ours in (
            ('embedding/', 'patch_embed.proj.'),
            (_BLOCK[0] + 'LayerNorm_0/', _BLOCK[1] + 'norm1.'),
            (_BLOCK[0] + 'LayerNorm_2/', _BLOCK[1] + 'norm2.'),
            (_BLOCK[0] + 'MultiHeadDotProductAttention_1/{part}/', _BLOCK[1] + 'attn.{part}.'),
            (_BLOCK[0] + 'MlpBlock_3/Dense_0/', _BLOCK[1] + 'mlp.fc1.'),
            (_BLOCK[0] + 'MlpBlock_3/Dense_1/', _BLOCK[1] + 'mlp.fc2.'),
            ('Transformer/encoder_norm/', 'norm.'),
            ('pre_logits/', 'pre_logits.fc.'),
            ('head/', 'head.'),
        )
        for flax, leaf in (('scale' if 'norm' in ours else 'kernel', 'weight'), ('bias', 'bias'))
    ),
)
_QKV = ('query', 'key', 'value')


def backbone_cfg(reference_config: dict) -> dict:
    """As :func:`.vit.backbone_cfg`."""
    return vit.backbone_cfg(reference_config)


def recognise(state_dict: dict[str, Tensor]) -> bool:
    """Whether names look like Google's ViT."""
    return 'embedding/kernel' in state_dict and 'Transformer/encoderblock_0/LayerNorm_0/scale' in state_dict


def state_dict(reference_state_dict: dict[str, Tensor]) -> dict[str, Tensor]:
    """Their arrays with the names of an mmaction recognizer of ours (`backbone.…`, `cls_head.fc_cls.…`).

    Raises:
        ValueError: For a name that their ViT does not have.
    """
    theirs = {}
    for name, value in reference_state_dict.items():
        ours = _PARAMETERS.ours(name)
        if re.search(r'attn\.(query|key|value)', ours):
            value = value.flatten(-2)  # (C, heads, d) or (heads, d)
        elif ours.endswith('attn.out.weight'):
            value = value.flatten(0, 1)  # (heads, d, C)
        if ours.endswith('weight') and value.ndim > 1:
            value = value.permute(3, 2, 0, 1) if value.ndim == 4 else value.t()
        theirs[ours.replace('.attn.out.', '.attn.proj.')] = value
    for name in [name for name in theirs if '.attn.query.' in name]:
        theirs[name.replace('query', 'qkv')] = torch.cat([theirs.pop(name.replace('query', part)) for part in _QKV])
    return vit.state_dict(theirs)


def export(state_dict: dict[str, Tensor]) -> dict[str, Tensor]:
    """Inverse of :func:`state_dict`. Heads have 64 channels, in a model of 1280 (H) 80, as in all of theirs.

    Raises:
        ValueError: For a name that their ViT does not have.
    """
    flat = {}
    for name, value in vit.export(state_dict).items():
        if '.attn.qkv.' in name:
            flat |= {name.replace('qkv', part): piece for part, piece in zip(_QKV, value.chunk(3), strict=True)}
        else:
            flat[name.replace('.attn.proj.', '.attn.out.')] = value
    theirs = {}
    for name, value in flat.items():
        if name.endswith('weight') and value.ndim > 1:
            value = value.permute(2, 3, 1, 0) if value.ndim == 4 else value.t()
        if '.attn.' in name:
            heads = (-1, 80 if value.shape[-1] == 1280 else 64)
            if name.endswith('out.weight'):
                value = value.unflatten(0, heads)
            elif '.out.' not in name:
                value = value.unflatten(-1, heads)
        theirs[_PARAMETERS.theirs(name)] = value
    return theirs

"""What the sources of plain ViTs share."""

import math
from collections.abc import Collection
from typing import Any

import torch

from ...names import prefixed, same
from ...options import as_tuple
from ...source import StateDict

# names that timm, BEiT and ours share, except for the positions
PARAMETERS = (
    *same(
        'backbone.',
        'cls_token',
        'patch_embed.proj.{leaf}',
        'blocks.{i}.norm{n}.{leaf}',
        'blocks.{i}.attn.qkv.{leaf}',
        'blocks.{i}.attn.proj.{leaf}',
        'blocks.{i}.mlp.{layer}.{leaf}',
        'norm.{leaf}',
    ),
    *prefixed('pos_embed_', 'backbone.pos_embed.', ('cls', 'cls'), ('spatial', 'spatial')),
    ('fc_norm.{leaf}', 'backbone.norm.{leaf}'),  # of models that pool before it
    ('head.{leaf}', 'cls_head.fc_cls.{leaf}'),
    ('mask_token', 'decoder.mask_token'),  # of masked pre-training
)

# arguments that timm's `VisionTransformer` and `Beit` share, with their defaults
ARGUMENTS = dict(
    img_size=224,
    patch_size=16,
    in_chans=3,
    embed_dim=768,
    depth=12,
    num_heads=12,
    mlp_ratio=4.0,
    qkv_bias=True,
    init_values=None,
    drop_path_rate=0.0,
    norm_layer='LN',
)


def vit_cfg(owner: str, options: dict[str, Any], style: dict[str, Any]) -> dict[str, Any]:
    """Our config from options that timm's `VisionTransformer` and `Beit` have in common.

    Args:
        owner: Whose model it is, for messages.
        options: Their options.
        style: Details of the pre-training, our option `vit`.

    Raises:
        ValueError: If patches are not square.
    """
    patch = options['patch_size']
    if not isinstance(patch, int):
        raise ValueError(f'{owner}: patch_size={patch!r} is not supported: give one number, the side of a square')
    return dict(
        type='mmhvt.VisionTransformer',
        arch=dict(
            embed_dims=options['embed_dim'], num_heads=options['num_heads'], depth=options['depth'], patch_size=patch
        ),
        input_size=as_tuple(options['img_size']),
        in_channels=options['in_chans'],
        mlp_ratio=options['mlp_ratio'],
        qkv_bias=options['qkv_bias'],
        drop_path_rate=options['drop_path_rate'],
        vit=style,
    )


def pooled_before(names: Collection[str], mean: str, token: str) -> str | None:
    """What a classifier reads, by the norm that comes before it; None if there is neither.

    Args:
        names: Names of a file.
        mean: Name of the norm's weight if it follows the mean of the patches.
        token: Name of the norm's weight if the class token is read.
    """
    return 'avg_featmap' if mean in names else 'cls_token' if token in names else None


def split_positions(theirs: StateDict, prefix: str = '') -> StateDict:
    """Positions (1, [1 +] H·W, C) of square patches, those of the class token apart; without one they are zero."""
    name = f'{prefix}pos_embed'
    if name not in theirs:
        return theirs
    positions = theirs[name]
    has_cls = math.isqrt(positions.shape[1]) ** 2 != positions.shape[1]
    cls = positions[:, :1] if has_cls else torch.zeros_like(positions[:, :1])
    others = {key: value for key, value in theirs.items() if key != name}
    return others | {f'{name}_cls': cls, f'{name}_spatial': positions[:, int(has_cls) :]}


def join_positions(theirs: StateDict, prefix: str = '') -> StateDict:
    """Inverse of :func:`split_positions`; a class token gets no position if it is zero."""
    name = f'{prefix}pos_embed'
    if f'{name}_spatial' not in theirs:
        return theirs
    cls, spatial = theirs[f'{name}_cls'], theirs[f'{name}_spatial']
    others = {key: value for key, value in theirs.items() if key not in (f'{name}_cls', f'{name}_spatial')}
    return others | {name: torch.cat([cls, spatial], 1) if cls.any() else spatial}

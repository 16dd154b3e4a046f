"""Image ViTs by timm's names: timm's own, and DeiT III, DINO and MAE from their authors.

The head, MAE's decoder and DINO's projection are left out of a backbone. Positions are of square images.
"""

import math
import re

import torch
from torch import Tensor

from .names import Names
from .video_swin import settings

# names of golden files and of the command line
NAMES = ('ViT', 'vit', 'DeiT', 'deit', 'DINO', 'dino', 'MAE', 'mae')

# what BEiT has too
SHARED = (
    ('cls_token', 'backbone.cls_token'),
    ('patch_embed.proj.{leaf}', 'backbone.patch_embed.proj.{leaf}'),
    ('blocks.{i}.norm{n}.{leaf}', 'backbone.blocks.{i}.norm{n}.{leaf}'),
    ('blocks.{i}.attn.qkv.{leaf}', 'backbone.blocks.{i}.attn.qkv.{leaf}'),
    ('blocks.{i}.attn.proj.{leaf}', 'backbone.blocks.{i}.attn.proj.{leaf}'),
    ('blocks.{i}.mlp.fc1.{leaf}', 'backbone.blocks.{i}.mlp.0.{leaf}'),
    ('blocks.{i}.mlp.fc2.{leaf}', 'backbone.blocks.{i}.mlp.3.{leaf}'),
    ('norm.{leaf}', 'backbone.norm.{leaf}'),
    ('fc_norm.{leaf}', 'backbone.norm.{leaf}'),  # of models that pool before it
    ('head.{leaf}', 'cls_head.fc_cls.{leaf}'),
    # of masked pre-training
    ('mask_token', 'decoder.mask_token'),
)
_PARAMETERS = Names(
    'a ViT',
    *SHARED,
    ('norm_pre.{leaf}', 'backbone.pre_norm.{leaf}'),
    ('blocks.{i}.ls{n}.gamma', 'backbone.blocks.{i}.gamma{n}'),
    ('blocks.{i}.gamma_{n}', 'backbone.blocks.{i}.gamma{n}'),  # DeiT III's own code
    ('pre_logits.fc.{leaf}', 'cls_head.pre_logits.{leaf}'),
    ('decoder_{rest}', 'decoder.{rest}'),
    ('head.{rest}', 'projection_head.{rest}'),
)

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
    pre_norm=False,
    drop_path_rate=0.0,
    norm_layer='LN',
    act_layer='gelu',
)
# what is only supported as published models with a class token have it
_FIXED = dict(
    class_token=True,
    pos_embed='learn',
    reg_tokens=0,
    qk_norm=False,
    scale_attn_norm=False,
    scale_mlp_norm=False,
    proj_bias=True,
    final_norm=True,
)
_IGNORED = ('num_classes', 'global_pool', 'no_embed_class', 'fc_norm', 'dynamic_img_size')


def backbone_cfg(reference_config: dict) -> dict:
    """Config of our backbone, for images and without UniBlocks, from the arguments of timm's `VisionTransformer`.

    Args:
        reference_config: Its arguments; those left out have its defaults. `norm_layer` is 'LN' or 'LN eps=…',
            `act_layer` 'gelu' or 'quick_gelu'.

    Raises:
        ValueError: For an argument that is not known.
    """
    cfg = settings('ViT', reference_config, _DEFAULTS, _FIXED, _IGNORED)
    return common_cfg('ViT', cfg) | dict(
        vit=dict(
            act=cfg['act_layer'],
            pre_norm=cfg['pre_norm'],
            patch_bias=not cfg['pre_norm'],
            layer_scale=bool(cfg['init_values']),
            eps=norm_eps('ViT', cfg['norm_layer']),
        )
    )


def common_cfg(source: str, cfg: dict) -> dict:
    """What the arguments of timm's `VisionTransformer` and `Beit` have in common, as ours.

    Raises:
        ValueError: For patches that are not square.
    """
    size, patch = cfg['img_size'], cfg['patch_size']
    if not isinstance(patch, int):
        raise ValueError(f'{source}: patch_size={patch!r} is not known; one number, the side of a square, is')
    return dict(
        type='mmhvt.UniFormerV2',
        arch=dict(embed_dims=cfg['embed_dim'], num_heads=cfg['num_heads'], depth=cfg['depth'], patch_size=patch),
        input_size=(size, size) if isinstance(size, int) else tuple(size),
        in_channels=cfg['in_chans'],
        mlp_ratio=cfg['mlp_ratio'],
        qkv_bias=cfg['qkv_bias'],
        drop_path_rate=cfg['drop_path_rate'],
        local_layers=None,
        global_layers=None,
    )


def norm_eps(source: str, norm: str) -> float:
    """Of 'LN eps=…'; timm's default without.

    Raises:
        ValueError: For another norm.
    """
    match = re.fullmatch(r'(?:LN|LayerNorm)(?: eps=(\S+))?', norm)
    if match is None:
        raise ValueError(f'{source}: norm_layer={norm!r} is not known; LN is')
    return float(match[1] or 1e-6)


def recognise(state_dict: dict[str, Tensor]) -> bool:
    """Whether names look like an image ViT's, alone or behind the `backbone.` of DINO's training.

    MViT pools, has relative positions, or changes its channels from block to block.
    """
    prefix = backbone_prefix(state_dict)
    patches = state_dict.get(f'{prefix}patch_embed.proj.weight')
    return (
        patches is not None
        and patches.ndim == 4
        and f'{prefix}cls_token' in state_dict
        and f'{prefix}pos_embed' in state_dict
        and f'{prefix}blocks.0.mlp.fc1.weight' in state_dict
        and 'head.projection.weight' not in state_dict  # of PySlowFast
        and not any(
            re.search(r'blocks\.\d+\.(?:proj\.|attn\.(?:pool_|norm_|rel|q_bias))|_norm\.weight$', name)
            for name in state_dict
            if not name.endswith('fc_norm.weight') and not name.startswith('decoder_')
        )
    )


def backbone_prefix(state_dict: dict[str, Tensor]) -> str:
    """'backbone.' where DINO's training put the ViT beside its projection, or nothing."""
    return 'backbone.' if 'backbone.blocks.0.mlp.fc1.weight' in state_dict else ''


def state_dict(reference_state_dict: dict[str, Tensor]) -> dict[str, Tensor]:
    """Their state dict with the names of an mmaction recognizer of ours (`backbone.…`, `cls_head.fc_cls.…`).

    A class token without a position of its own (DeiT III) gets one of zeros.

    Raises:
        ValueError: For a name that a ViT does not have.
    """
    prefix = backbone_prefix(reference_state_dict)
    ours = {}
    for name, value in reference_state_dict.items():
        name = name.removeprefix(prefix)
        if name == 'pos_embed':
            ours |= split_positions(value)
        else:
            ours[_PARAMETERS.ours(name)] = value
    return ours


def split_positions(value: Tensor) -> dict[str, Tensor]:
    """Positions (1, [1 +] H·W, C) of a class token and of square patches under our names."""
    has_cls = math.isqrt(value.shape[1]) ** 2 != value.shape[1]
    cls = value[:, :1] if has_cls else torch.zeros_like(value[:, :1])
    return {'backbone.pos_embed.cls': cls, 'backbone.pos_embed.spatial': value[:, 1:] if has_cls else value}


def export(state_dict: dict[str, Tensor]) -> dict[str, Tensor]:
    """Inverse of :func:`state_dict`, by timm's names; a class token whose position is zero has none.

    Raises:
        ValueError: For a name that a ViT does not have.
    """
    theirs = {}
    for name, value in state_dict.items():
        if name == 'backbone.pos_embed.spatial':
            theirs['pos_embed'] = join_positions(state_dict)
        elif name != 'backbone.pos_embed.cls':
            theirs[_PARAMETERS.theirs(name)] = value
    return theirs


def join_positions(state_dict: dict[str, Tensor]) -> Tensor:
    """Inverse of :func:`split_positions`."""
    cls, spatial = state_dict['backbone.pos_embed.cls'], state_dict['backbone.pos_embed.spatial']
    return torch.cat([cls, spatial], 1) if cls.any() else spatial

"""SMViT from the public Hiera code (hiera-transformer on PyPI): configs and state dicts."""

import re

from torch import Tensor

# names of golden files and of the command line
NAMES = ('hiera-transformer', 'hiera')

# theirs -> ours, both ways
_RENAMES = (
    (r'pos_embed_spatial', 'backbone.pos_embed.spatial'),
    (r'pos_embed_temporal', 'backbone.pos_embed.temporal'),
    (r'pos_embed', 'backbone.pos_embed.joint'),
    (r'(patch_embed\.proj\..+)', r'backbone.\1'),
    (r'(blocks\.\d+\.(?:norm\d|attn|proj)\..+)', r'backbone.\1'),
    (r'(blocks\.\d+\.mlp)\.fc1\.(.+)', r'backbone.\1.layers.0.0.\2'),
    (r'(blocks\.\d+\.mlp)\.fc2\.(.+)', r'backbone.\1.layers.1.\2'),
    (r'(norm\..+)', r'backbone.\1'),
    (r'head\.projection\.(.+)', r'cls_head.fc_cls.\1'),
    # of the masked auto-encoder alone, which has no final norm
    (r'((?:mask_token|decoder_|encoder_norm|multi_scale_fusion_heads).*)', r'mae.\1'),
)


def backbone_cfg(reference_config: dict) -> dict:
    """Config of our backbone from the arguments of `hiera.Hiera`.

    Args:
        reference_config: Arguments of `Hiera`; those left out have its defaults (an image model of size base).
    """
    cfg = dict(reference_config)
    arch = dict(
        embed_dims=cfg.get('embed_dim', 96), num_heads=cfg.get('num_heads', 1), depths=cfg.get('stages', (2, 3, 16, 3))
    )
    ours = dict(type='mmhvt.SMViT', arch=arch, input_size=cfg.get('input_size', (224, 224)))
    renamed = dict(in_chans='in_channels')
    same = (
        'patch_kernel patch_stride patch_padding mask_unit_size q_stride q_pool mask_unit_attn sep_pos_embed '
        'dim_mul head_mul mlp_ratio drop_path_rate'
    )
    for key in (*renamed, *same.split()):
        if key in cfg:
            ours[renamed.get(key, key)] = cfg[key]
    norm = re.fullmatch(r'(?:LN|LayerNorm)(?: eps=(\S+))?', cfg.get('norm_layer', 'LN'))
    if norm is None:
        raise ValueError(f'hiera: norm_layer {cfg["norm_layer"]!r} is not known; LayerNorm is')
    ours['norm_cfg'] = dict(type='LN', eps=float(norm[1] or 1e-6))
    return ours


def recognise(state_dict: dict[str, Tensor]) -> bool:
    """Whether names look like Hiera's."""
    return 'blocks.0.attn.qkv.weight' in state_dict and 'blocks.0.mlp.fc1.weight' in state_dict and (
        'pos_embed' in state_dict or 'pos_embed_spatial' in state_dict
    ) and 'cls_token' not in state_dict  # fmt: skip


def state_dict(reference_state_dict: dict[str, Tensor]) -> dict[str, Tensor]:
    """Their state dict with the names of an mmaction recognizer of ours (`backbone.…`, `cls_head.fc_cls.…`).

    Raises:
        ValueError: For a name that Hiera does not have.
    """
    return {_rename(name): value for name, value in reference_state_dict.items()}


def _rename(name: str) -> str:
    for pattern, ours in _RENAMES:
        match = re.fullmatch(pattern, name)
        if match:
            return match.expand(ours)
    raise ValueError(f'{name!r} is no parameter of Hiera')


def export(state_dict: dict[str, Tensor]) -> dict[str, Tensor]:
    """Inverse of :func:`state_dict`.

    Raises:
        ValueError: For a name that SMViT does not have.
    """
    theirs = {}
    for name, value in state_dict.items():
        plain = name.removeprefix('backbone.')
        plain = re.sub(r'^(blocks\.\d+\.mlp)\.layers\.(?:0\.)?(0|1)\.', lambda m: f'{m[1]}.fc{int(m[2]) + 1}.', plain)
        plain = plain.removeprefix('mae.')
        plain = re.sub(r'^cls_head\.fc_cls\.', 'head.projection.', plain)
        plain = re.sub(r'^pos_embed\.(spatial|temporal)$', r'pos_embed_\1', plain)
        plain = re.sub(r'^pos_embed\.joint$', 'pos_embed', plain)
        if not any(re.fullmatch(pattern, plain) for pattern, _ in _RENAMES):
            raise ValueError(f'{name!r} is no parameter of SMViT')
        theirs[plain] = value
    return theirs

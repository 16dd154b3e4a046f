"""SMViT from the public Hiera code (hiera-transformer on PyPI): configs and state dicts."""

import re

from torch import Tensor

from .names import Names

# names of golden files and of the command line
NAMES = ('hiera-transformer', 'hiera')

_PARAMETERS = Names(
    'Hiera',
    ('pos_embed', 'backbone.pos_embed.joint'),
    ('pos_embed_spatial', 'backbone.pos_embed.spatial'),
    ('pos_embed_temporal', 'backbone.pos_embed.temporal'),
    ('patch_embed.proj.{rest}', 'backbone.patch_embed.proj.{rest}'),
    ('blocks.{i}.mlp.fc1.{rest}', 'backbone.blocks.{i}.mlp.layers.0.0.{rest}'),
    ('blocks.{i}.mlp.fc2.{rest}', 'backbone.blocks.{i}.mlp.layers.1.{rest}'),
    ('blocks.{i}.attn.{layer}.{leaf}', 'backbone.blocks.{i}.attn.{layer}.{leaf}'),
    ('blocks.{i}.{layer}.{leaf}', 'backbone.blocks.{i}.{layer}.{leaf}'),
    ('norm.{rest}', 'backbone.norm.{rest}'),
    ('head.projection.{rest}', 'cls_head.fc_cls.{rest}'),
    # of the masked auto-encoder alone, which has no final norm
    ('multi_scale_fusion_heads.{rest}', 'fusion.heads.{rest}'),
    ('encoder_norm.{rest}', 'fusion.norm.{rest}'),
    ('mask_token', 'decoder.mask_token'),
    ('decoder_pos_embed', 'decoder.pos_embed.joint'),
    ('decoder_embed.{rest}', 'decoder.embed.{rest}'),
    ('decoder_blocks.{i}.mlp.fc1.{rest}', 'decoder.blocks.{i}.mlp.layers.0.0.{rest}'),
    ('decoder_blocks.{i}.mlp.fc2.{rest}', 'decoder.blocks.{i}.mlp.layers.1.{rest}'),
    ('decoder_blocks.{i}.{rest}', 'decoder.blocks.{i}.{rest}'),
    ('decoder_norm.{rest}', 'decoder.norm.{rest}'),
    ('decoder_pred.{rest}', 'decoder.predict.{rest}'),
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


def mae_cfg(reference_config: dict) -> dict:
    """Config of our masked auto-encoder from the arguments of `hiera.MaskedAutoencoderHiera` and its `mask_ratio`."""
    cfg = dict(reference_config)
    backbone = backbone_cfg(cfg)
    theirs = dict(embed_dims='decoder_embed_dim', depth='decoder_depth', num_heads='decoder_num_heads')
    return dict(
        type='mmhvt.MAE',
        backbone=backbone,
        mask_ratio=cfg.get('mask_ratio', 0.6),
        decoder={key: cfg[name] for key, name in (theirs | dict(mlp_ratio='mlp_ratio')).items() if name in cfg},
        norm_cfg=backbone['norm_cfg'],
    )


def recognise(state_dict: dict[str, Tensor]) -> bool:
    """Whether names look like Hiera's; timm's has the final norm in its head."""
    return 'blocks.0.attn.qkv.weight' in state_dict and 'blocks.0.mlp.fc1.weight' in state_dict and (
        'pos_embed' in state_dict or 'pos_embed_spatial' in state_dict
    ) and not any(name in ('cls_token', 'head.norm.weight') or '.pool_' in name for name in state_dict)  # fmt: skip


def state_dict(reference_state_dict: dict[str, Tensor]) -> dict[str, Tensor]:
    """Their state dict with the names of an mmaction recognizer of ours (`backbone.…`, `cls_head.fc_cls.…`).

    Raises:
        ValueError: For a name that Hiera does not have.
    """
    return {_PARAMETERS.ours(name): value for name, value in reference_state_dict.items()}


def export(state_dict: dict[str, Tensor]) -> dict[str, Tensor]:
    """Inverse of :func:`state_dict`.

    Raises:
        ValueError: For a name that SMViT does not have.
    """
    return {_PARAMETERS.theirs(name): value for name, value in state_dict.items()}

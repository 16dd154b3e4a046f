"""MViT from mmaction2 (`mmaction.models.MViT` in a `Recognizer3D`): configs and state dicts.

Theirs feeds the normed tokens of every scale that it returns to the next stage, where detectron2's and ours
norm the output alone; so one scale is comparable, several are not. It halves the stride of keys in time
as in space. Its class token and the token's position are in the file even of models that do not use them.
"""

import re

from torch import Tensor

from . import pyslowfast
from .names import Names

# names of golden files and of the command line
NAMES = ('mmaction2', 'mmaction')

# their names -> PySlowFast's
_PARAMETERS = Names(
    "mmaction2's MViT",
    ('cls_head.fc_cls.{leaf}', 'head.projection.{leaf}'),
    ('backbone.patch_embed.projection.{leaf}', 'patch_embed.proj.{leaf}'),
    ('backbone.{rest}', '{rest}'),
)


def backbone_cfg(reference_config: dict) -> dict:
    """Config of our backbone from the arguments of `mmaction.models.MViT`.

    Args:
        reference_config: Its arguments; those left out have its defaults.

    Raises:
        ValueError: For an argument that is not known, or several scales.
    """
    cfg = dict(
        arch='base',
        spatial_size=224,
        temporal_size=16,
        in_channels=3,
        out_scales=-1,
        drop_path_rate=0.0,
        use_abs_pos_embed=False,
        interpolate_mode='trilinear',
        pool_kernel=(3, 3, 3),
        dim_mul=2,
        head_mul=2,
        adaptive_kv_stride=(1, 8, 8),
        rel_pos_embed=True,
        residual_pooling=True,
        dim_mul_in_attention=True,
        with_cls_token=True,
        output_cls_token=True,
        mlp_ratio=4.0,
        qkv_bias=True,
        norm_cfg=dict(type='LN', eps=1e-6),
        patch_cfg=dict(kernel_size=(3, 7, 7), stride=(2, 4, 4), padding=(1, 3, 3)),
    )
    ours = common_cfg('mmaction2', cfg, reference_config, 3, q_stride=(1, 2, 2))
    cfg |= reference_config
    kv = tuple(cfg['adaptive_kv_stride'])
    if kv[0] > 1:
        raise ValueError(
            f'mmaction2: adaptive_kv_stride={kv}, whose stride in time theirs halves from stage to stage, is not '
            'known; a stride of 1 in time is'
        )
    return ours | dict(
        input_size=(cfg['temporal_size'], cfg['spatial_size'], cfg['spatial_size']),
        kv_stride=kv,
        rel_pos='decomposed' if cfg['rel_pos_embed'] else 'none',
        with_cls_token=cfg['with_cls_token'],
        out_type='cls_token' if cfg['output_cls_token'] else 'avg_featmap',
    )


def common_cfg(source: str, defaults: dict, reference_config: dict, axes: int, q_stride: tuple[int, ...]) -> dict:
    """What mmaction2's and mmpretrain's arguments have in common, as ours.

    Args:
        source: Name in messages.
        defaults: All arguments.
        reference_config: Those that are given.
        axes: 3 for video, 2 for images.
        q_stride: Of their query pooling.

    Raises:
        ValueError: For an argument that is not known, or several scales.
    """
    # initialisation is no business of weights that are there
    ignored = {'type', 'init_cfg', 'pretrained', 'pretrained_type', 'rel_pos_zero_init'}
    wrong = set(reference_config) - set(defaults) - ignored
    if wrong:
        raise ValueError(f'{source}: arguments of MViT that are not known: {", ".join(sorted(wrong))}')
    cfg = defaults | reference_config
    modes = {'trilinear': 'bilinear'} if axes == 3 else {'bilinear': 'bilinear', 'bicubic': 'bicubic'}
    if cfg['interpolate_mode'] not in modes:
        raise ValueError(
            f'{source}: interpolate_mode={cfg["interpolate_mode"]!r} is not known; {", ".join(modes)} would do'
        )
    kernel = tuple(cfg['pool_kernel'])
    if max(kernel) == 1:
        raise ValueError(f'{source}: pool_kernel={kernel}, which scales and norms without pooling, is not known')
    patch = {key: _per_axis(source, key, value, axes) for key, value in cfg['patch_cfg'].items()}
    if set(patch) != {'kernel_size', 'stride', 'padding'}:
        raise ValueError(f'{source}: patch_cfg needs kernel_size, stride and padding, got {", ".join(sorted(patch))}')
    scales = cfg['out_scales'] if isinstance(cfg['out_scales'], int) else tuple(cfg['out_scales'])
    if not isinstance(scales, int) and len(scales) > 1:
        raise ValueError(
            f'{source}: out_scales={scales}: theirs goes on from the normed tokens of a scale that it returns, '
            'ours norms outputs alone; name one scale'
        )
    return dict(
        type='mmhvt.MViT',
        arch=_arch(source, cfg['arch']),
        in_channels=cfg['in_channels'],
        patch_kernel=patch['kernel_size'],
        patch_stride=patch['stride'],
        patch_padding=patch['padding'],
        pool_mode='conv',
        pool_kernel=kernel,
        q_stride=q_stride,
        adaptive_kv=True,
        abs_pos='joint' if cfg['use_abs_pos_embed'] else 'none',
        residual_pooling=cfg['residual_pooling'],
        full_q_pool=True,
        expand_in='attn' if cfg['dim_mul_in_attention'] else 'mlp',
        dim_mul=cfg['dim_mul'],
        head_mul=cfg['head_mul'],
        mlp_ratio=cfg['mlp_ratio'],
        qkv_bias=cfg['qkv_bias'],
        drop_path_rate=cfg['drop_path_rate'],
        pos_mode=modes[cfg['interpolate_mode']],
        norm_cfg=dict(cfg['norm_cfg']),
        out_indices=scales,
    )


def _arch(source: str, arch: str | dict) -> str | dict:
    """Our architecture; theirs counts blocks through."""
    if isinstance(arch, str):
        names = ('tiny', 'small', 'base', 'large')
        if arch.lower() not in names:
            raise ValueError(f'{source}: no arch {arch!r}: choose from {", ".join(names)}, or give a dict')
        return f'v2_{arch.lower()}'
    starts = list(arch['downscale_indices'])
    if list(arch.get('dim_mul_indices', starts)) != starts:
        raise ValueError(
            f'{source}: arch with dim_mul_indices={arch["dim_mul_indices"]} other than downscale_indices={starts}, '
            'stages that expand channels without pooling, is not known'
        )
    return dict(
        version=2,
        embed_dims=arch['embed_dims'],
        num_heads=arch['num_heads'],
        depths=[end - start for start, end in zip([0, *starts], [*starts, arch['num_layers']], strict=True)],
    )


def _per_axis(source: str, key: str, value: int | tuple[int, ...], axes: int) -> tuple[int, ...]:
    if isinstance(value, str):
        raise ValueError(f'{source}: patch_cfg with {key}={value!r} is not known; numbers are')
    return (value,) * axes if isinstance(value, int) else tuple(value)


def recognise(state_dict: dict[str, Tensor]) -> bool:
    """Whether names look like a recognizer of mmaction2 with an MViT."""
    return recognise_axes(state_dict, 3)


def recognise_axes(state_dict: dict[str, Tensor], axes: int) -> bool:
    """Whether names look like an MViT of mmaction2 or mmpretrain with patches of so many axes."""
    patches = state_dict.get('backbone.patch_embed.projection.weight')
    return patches is not None and patches.ndim == axes + 2 and 'backbone.blocks.0.attn.norm_k.weight' in state_dict


def state_dict(reference_state_dict: dict[str, Tensor]) -> dict[str, Tensor]:
    """Their state dict with the names of an mmaction recognizer of ours (`backbone.…`, `cls_head.fc_cls.…`).

    Raises:
        ValueError: For a name that MViT does not have.
    """
    last = _last_norm(reference_state_dict)
    inner, theirs = {}, {}
    for name, value in reference_state_dict.items():
        if re.match(r'backbone\.norm\d+\.', name) and not name.startswith(last):
            inner[name] = value  # alike in ours
        else:
            theirs[_PARAMETERS.ours(name.replace(last, 'backbone.norm.'))] = value
    return pyslowfast.state_dict(theirs) | inner


def export(state_dict: dict[str, Tensor]) -> dict[str, Tensor]:
    """Inverse of :func:`state_dict`.

    Raises:
        ValueError: For a name that MViT does not have.
    """
    last = _last_norm(state_dict)
    inner = {name: value for name, value in state_dict.items() if re.match(r'backbone\.norm\d+\.', name)}
    theirs = {}
    images = state_dict['backbone.patch_embed.proj.weight'].ndim == 4
    for name, value in pyslowfast.export({k: v for k, v in state_dict.items() if k not in inner}).items():
        # PySlowFast pools images as clips of one frame
        value = value.squeeze(2) if images and '.attn.pool_' in name else value
        theirs[_PARAMETERS.theirs(name).replace('backbone.norm.', last)] = value
    return theirs | inner


def _last_norm(names: dict[str, Tensor]) -> str:
    """Their name of the last scale's norm: its number is that of the blocks that expand channels."""
    return f'backbone.norm{sum(bool(re.search(r"blocks[.][0-9]+[.]proj[.]weight$", name)) for name in names)}.'

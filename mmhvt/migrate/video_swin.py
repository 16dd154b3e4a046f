"""Video Swin from the papers' own code (SwinTransformer/Video-Swin-Transformer): configs and state dicts.

Files of recognizers have names with `backbone.` and `cls_head.fc_cls.`, those of a backbone alone neither.
Positions in windows (`relative_position_index`), which are no parameters, are left out and not exported: load what is
exported with `strict=False`.
"""

import re
from collections import Counter
from collections.abc import Iterable
from itertools import accumulate

from torch import Tensor

from .names import Names

# names of golden files and of the command line
NAMES = ('Video-Swin', 'video-swin')

# their names, blocks counted through all stages -> ours
_PARAMETERS = Names(
    'Video Swin',
    ('patch_embed.proj.{leaf}', 'backbone.patch_embed.proj.{leaf}'),
    ('patch_embed.norm.{leaf}', 'backbone.patch_norm.{leaf}'),
    ('blocks.{i}.attn.relative_position_bias_table', 'backbone.blocks.{i}.attn.bias_table'),
    ('blocks.{i}.attn.{layer}.{leaf}', 'backbone.blocks.{i}.attn.{layer}.{leaf}'),
    ('blocks.{i}.mlp.fc1.{leaf}', 'backbone.blocks.{i}.mlp.0.{leaf}'),
    ('blocks.{i}.mlp.fc2.{leaf}', 'backbone.blocks.{i}.mlp.3.{leaf}'),
    ('blocks.{i}.{layer}.{leaf}', 'backbone.blocks.{i}.{layer}.{leaf}'),
    ('layers.{i}.downsample.{layer}.{leaf}', 'backbone.merges.{i}.{layer}.{leaf}'),
    ('norm.{leaf}', 'backbone.norm.{leaf}'),
    ('cls_head.fc_cls.{leaf}', 'cls_head.fc_cls.{leaf}'),
)
_BLOCK = r'^layers\.(\d+)\.blocks\.(\d+)\.'
_BUFFERS = ('.relative_position_index', '.attn_mask')

_DEFAULTS = dict(
    patch_size=(4, 4, 4),
    in_chans=3,
    embed_dim=96,
    depths=(2, 2, 6, 2),
    num_heads=(3, 6, 12, 24),
    window_size=(2, 7, 7),
    mlp_ratio=4.0,
    qkv_bias=True,
    drop_path_rate=0.2,
    norm_layer='LN',
    patch_norm=False,
    frozen_stages=-1,
    use_checkpoint=False,
)
# what is only supported as their own recipes have it
FIXED = dict(qk_scale=None, drop_rate=0.0, attn_drop_rate=0.0)
# initialisation is no business of weights that are there
_IGNORED = {'type', 'pretrained', 'pretrained2d'}


def backbone_cfg(reference_config: dict) -> dict:
    """Config of our backbone from the arguments of their `SwinTransformer3D`.

    Args:
        reference_config: Its arguments; those left out have its defaults. `norm_layer` is 'LN' or 'LN eps=…'.

    Raises:
        ValueError: For an argument that is not known.
    """
    cfg = settings('Video-Swin', reference_config, _DEFAULTS, FIXED, _IGNORED)
    return common_cfg('Video-Swin', cfg) | dict(
        patch_size=tuple(cfg['patch_size']),
        window_size=tuple(cfg['window_size']),
        frozen_stages=cfg['frozen_stages'],
    )


def settings(source: str, given: dict, defaults: dict, fixed: dict, ignored: Iterable[str] = ()) -> dict:
    """Arguments of a Swin Transformer of another repository, with its defaults where they are left out.

    Args:
        source: Name in messages.
        given: Those that are given.
        defaults: All that ours has too.
        fixed: Those that ours has not, with the one value that is as ours.
        ignored: Those that do not change the backbone.

    Raises:
        ValueError: For an argument that is not known or has a value that is not.
    """
    wrong = set(given) - set(defaults) - set(fixed) - set(ignored)
    if wrong:
        raise ValueError(f'{source}: arguments that are not known: {", ".join(sorted(wrong))}')
    for key, value in fixed.items():
        if given.get(key, value) != value:
            raise ValueError(f'{source}: {key}={given[key]!r} is not known; {value!r} is')
    return {key: given.get(key, value) for key, value in defaults.items()}


def common_cfg(source: str, cfg: dict) -> dict:
    """What the arguments of Video Swin and Swin in the papers' own code have in common, as ours.

    Raises:
        ValueError: For another norm than LayerNorm.
    """
    norm = re.fullmatch(r'(?:LN|LayerNorm)(?: eps=(\S+))?', cfg['norm_layer'])
    if norm is None:
        raise ValueError(f'{source}: norm_layer={cfg["norm_layer"]!r} is not known; LN is')
    return dict(
        type='mmhvt.VideoSwin',
        arch=dict(embed_dims=cfg['embed_dim'], depths=tuple(cfg['depths']), num_heads=tuple(cfg['num_heads'])),
        in_channels=cfg['in_chans'],
        mlp_ratio=cfg['mlp_ratio'],
        qkv_bias=cfg['qkv_bias'],
        drop_path_rate=cfg['drop_path_rate'],
        patch_norm=cfg['patch_norm'],
        norm_cfg=dict(type='LN', eps=float(norm[1] or 1e-5)),
        with_cp=cfg['use_checkpoint'],
    )


def recognise(state_dict: dict[str, Tensor]) -> bool:
    """Whether names look like their backbone or recognizer."""
    return any(
        recognise_axes(state_dict, 3, prefix) and f'{prefix}norm.weight' in state_dict for prefix in ('', 'backbone.')
    )


def recognise_axes(state_dict: dict[str, Tensor], axes: int, prefix: str) -> bool:
    """Whether names look like a Swin Transformer of layers and blocks with patches of so many axes."""
    patches = state_dict.get(f'{prefix}patch_embed.proj.weight')
    return (
        patches is not None
        and patches.ndim == axes + 2
        and f'{prefix}layers.0.blocks.0.attn.relative_position_bias_table' in state_dict
    )


def state_dict(reference_state_dict: dict[str, Tensor]) -> dict[str, Tensor]:
    """Their state dict with the names of an mmaction recognizer of ours (`backbone.…`, `cls_head.fc_cls.…`).

    Raises:
        ValueError: For a name that Video Swin does not have.
    """
    theirs = {
        name.removeprefix('backbone.'): value
        for name, value in reference_state_dict.items()
        if not name.endswith(_BUFFERS)
    }
    blocks = {tuple(map(int, match.groups())) for name in theirs if (match := re.match(_BLOCK, name))}
    depths = Counter(stage for stage, _ in blocks)
    first = [0, *accumulate(depths[stage] for stage in range(max(depths, default=0)))]
    ours = {}
    for name, value in theirs.items():
        name = re.sub(_BLOCK, lambda match: f'blocks.{first[int(match[1])] + int(match[2])}.', name)
        ours[_PARAMETERS.ours(name)] = value
    return ours


def export(state_dict: dict[str, Tensor]) -> dict[str, Tensor]:
    """Inverse of :func:`state_dict`; without a head, the names of a backbone alone.

    Raises:
        ValueError: For a name that Video Swin does not have.
    """
    theirs = export_recognizer(state_dict)
    if any(name.startswith('cls_head.') for name in theirs):
        return theirs
    return {name.removeprefix('backbone.'): value for name, value in theirs.items()}


def export_recognizer(state_dict: dict[str, Tensor]) -> dict[str, Tensor]:
    """Inverse of :func:`state_dict`, the names of a recognizer always.

    Raises:
        ValueError: For a name that Video Swin does not have.
    """
    theirs = {_PARAMETERS.theirs(name): value for name, value in state_dict.items()}
    # channels tell the stage of a block
    found = {int(m[1]): len(v) for k, v in theirs.items() if (m := re.fullmatch(r'blocks\.(\d+)\.norm1\.weight', k))}
    widths = [found[i] for i in sorted(found)]
    stages = sorted(set(widths))

    def in_stage(match: re.Match) -> str:
        width = widths[int(match[1])]
        return f'layers.{stages.index(width)}.blocks.{int(match[1]) - widths.index(width)}.'

    theirs = {re.sub(r'^blocks\.(\d+)\.', in_stage, name): value for name, value in theirs.items()}
    return {k if k.startswith('cls_head.') else f'backbone.{k}': v for k, v in theirs.items()}

"""What the sources of Swin share."""

import re
from typing import Any

from ...names import NameTable, prefixed, same
from ...options import layer_norm_eps
from ...source import StateDict
from ..stages import number_blocks, stage_blocks

# positions in windows and masks of shifted windows
BUFFERS = ('relative_position_index', 'attn_mask')
FIXED = dict(qk_scale=None, drop_rate=0.0, attn_drop_rate=0.0)
# names of the authors' code, blocks numbered across stages
BLOCKS = (
    ('blocks.{i}.attn.relative_position_bias_table', 'blocks.{i}.attn.rel_pos.table'),
    ('blocks.{i}.attn.{layer}.{leaf}', 'blocks.{i}.attn.{layer}.{leaf}'),
    ('blocks.{i}.mlp.{layer}.{leaf}', 'blocks.{i}.mlp.{layer}.{leaf}'),
    ('blocks.{i}.norm{n}.{leaf}', 'blocks.{i}.norm{n}.{leaf}'),
)


def swin_table(head: str, prefix: str = '', *more: str) -> NameTable:
    """Names of the authors' code and ours.

    Args:
        head: Their name of the classifier.
        prefix: Prefix of their backbone. Defaults to nothing.
        *more: Further names that are alike in both backbones.
    """
    return NameTable(
        *prefixed(
            prefix,
            'backbone.',
            ('patch_embed.proj.{leaf}', 'patch_embed.proj.{leaf}'),
            ('patch_embed.norm.{leaf}', 'patch_norm.{leaf}'),
            *BLOCKS,
            ('layers.{i}.downsample.{layer}.{leaf}', 'merges.{i}.{layer}.{leaf}'),
            ('norm.{leaf}', 'norm.{leaf}'),
            *same('', *more),
        ),
        (f'{head}.{{leaf}}', 'cls_head.fc_cls.{leaf}'),
    )


def authors_cfg(owner: str, options: dict[str, Any]) -> dict[str, Any]:
    """Options that Swin and Video Swin of the authors have in common, as ours.

    Args:
        owner: Whose model it is, for messages.
        options: Their options.
    """
    return dict(
        type='mmhvt.VideoSwin',
        arch=dict(
            embed_dims=options['embed_dim'], depths=tuple(options['depths']), num_heads=tuple(options['num_heads'])
        ),
        in_channels=options['in_chans'],
        mlp_ratio=options['mlp_ratio'],
        qkv_bias=options['qkv_bias'],
        drop_path_rate=options['drop_path_rate'],
        patch_norm=options['patch_norm'],
        norm_cfg=dict(type='LN', eps=layer_norm_eps(owner, 'norm_layer', options['norm_layer'], 1e-5)),
        with_cp=options['use_checkpoint'],
    )


def named_arch(owner: str, arch: str | dict[str, Any] | None) -> str | dict[str, Any]:
    """Our name of an architecture of mmaction2 or mmpretrain, whose name is long or one letter.

    Raises:
        ValueError: If there is none with that name.
    """
    if isinstance(arch, dict):
        return dict(arch)
    names = dict(t='tiny', s='small', b='base', l='large')
    name = names.get(str(arch).lower(), str(arch).lower())
    if name not in names.values():
        raise ValueError(f'{owner}: no arch {arch!r}: choose from {", ".join(names.values())}, or give a dict')
    return name


def number_layers(theirs: StateDict, folder: str = 'layers', prefix: str = '') -> StateDict:
    """Blocks numbered across stages.

    Args:
        theirs: State dict.
        folder: What stages are called. Defaults to 'layers'.
        prefix: Prefix of the backbone. Defaults to nothing.
    """
    return number_blocks(theirs, rf'{folder}\.(\d+)\.blocks\.(\d+)\.', prefix)


def stage_layers(theirs: StateDict, folder: str = 'layers', prefix: str = '') -> StateDict:
    """Inverse of :func:`number_layers`. Channels tell the stage of a block."""
    norms = (re.fullmatch(rf'{re.escape(prefix)}blocks\.(\d+)\.norm1\.weight', name) for name in theirs)
    widths = {int(match[1]): len(theirs[match[0]]) for match in norms if match}
    starts = [i for i in sorted(widths) if i == 0 or widths[i] != widths[i - 1]]
    return stage_blocks(theirs, starts, f'{folder}.{{stage}}.blocks.{{block}}.', prefix)


def rename_last_norm(theirs: StateDict, numbered: bool) -> StateDict:
    """Rename the norm of the last stage in a `backbone.`, which mmaction2 and mmpretrain number and ours does not.

    Args:
        theirs: State dict.
        numbered: Whether to add the number, or to remove it.
    """
    stages = (re.match(r'backbone\.(?:layers|stages)\.(\d+)\.', name) for name in theirs)
    number = max((int(match[1]) for match in stages if match), default=0)
    names = (f'backbone.norm{number}.', 'backbone.norm.')
    old, new = names[::-1] if numbered else names
    return {new + name.removeprefix(old) if name.startswith(old) else name: value for name, value in theirs.items()}

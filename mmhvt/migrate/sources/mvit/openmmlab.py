"""What the MViTs of mmaction2 and mmpretrain share.

Theirs feeds the normed tokens of every scale that it returns to the next stage, where detectron2's and ours norm only
the output; so one scale is comparable, several are not.
"""

import re
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

from torch import Tensor

from ...names import NameTable, prefixed
from ...options import as_tuple
from ...source import Source, StateDict
from .common import BLOCKS, join_class_position, split_class_position

_SIZES = ('tiny', 'small', 'base', 'large')
_EXPANDS = re.compile(r'blocks\.\d+\.proj\.weight')


def mvit_table(head: str) -> NameTable:
    """Their names and ours.

    Args:
        head: Their name of the classifier.
    """
    return NameTable(
        *prefixed(
            'backbone.',
            'backbone.',
            ('cls_token', 'cls_token'),
            ('pos_embed_class', 'pos_embed.cls'),
            ('pos_embed', 'pos_embed.joint'),
            ('patch_embed.projection.{leaf}', 'patch_embed.proj.{leaf}'),
            *BLOCKS,
            ('norm.{leaf}', 'norm.{leaf}'),
            ('norm{i}.{leaf}', 'norm{i}.{leaf}'),
        ),
        (f'{head}.{{leaf}}', 'cls_head.fc_cls.{leaf}'),
    )


class OpenMMLabMViT(Source):
    """Options are arguments of their `MViT`."""

    family = 'mvit'
    axes: ClassVar[int]
    modes: ClassVar[Mapping[str, str]]
    # those that both have
    common = dict(
        arch='base',
        in_channels=3,
        out_scales=-1,
        drop_path_rate=0.0,
        use_abs_pos_embed=False,
        dim_mul=2,
        head_mul=2,
        residual_pooling=True,
        dim_mul_in_attention=True,
        mlp_ratio=4.0,
        qkv_bias=True,
        norm_cfg=dict(type='LN', eps=1e-6),
    )
    ignored = ('type', 'init_cfg', 'pretrained', 'pretrained_type', 'rel_pos_zero_init')

    def translate(self, options: dict[str, Any]) -> dict[str, Any]:
        """Options that both have, as ours."""
        mode, kernel, scales = (options[key] for key in ('interpolate_mode', 'pool_kernel', 'out_scales'))
        if mode not in self.modes:
            raise ValueError(
                f'{self.title}: interpolate_mode={mode!r} is not supported: choose from {", ".join(self.modes)}'
            )
        if max(kernel) == 1:
            raise ValueError(
                f'{self.title}: pool_kernel={tuple(kernel)}, which scales and norms without pooling, is not supported: '
                'choose a larger kernel'
            )
        if not isinstance(scales, int) and len(scales) > 1:
            raise ValueError(
                f'{self.title}: out_scales={tuple(scales)}: theirs goes on from the normed tokens of a scale that it '
                'returns, ours norms only outputs; choose one scale'
            )
        patch = self._patch(options['patch_cfg'])
        return dict(
            type='mmhvt.MViT',
            arch=self._arch(options['arch']),
            in_channels=options['in_channels'],
            patch_kernel=patch['kernel_size'],
            patch_stride=patch['stride'],
            patch_padding=patch['padding'],
            pool_mode='conv',
            pool_kernel=tuple(kernel),
            q_stride=(1, 2, 2)[-self.axes :],
            adaptive_kv=True,
            abs_pos='joint' if options['use_abs_pos_embed'] else 'none',
            residual_pooling=options['residual_pooling'],
            full_q_pool=True,
            expand_in='attn' if options['dim_mul_in_attention'] else 'mlp',
            dim_mul=options['dim_mul'],
            head_mul=options['head_mul'],
            mlp_ratio=options['mlp_ratio'],
            qkv_bias=options['qkv_bias'],
            drop_path_rate=options['drop_path_rate'],
            pos_mode=self.modes[mode],
            norm_cfg=dict(options['norm_cfg']),
            out_indices=scales if isinstance(scales, int) else tuple(scales),
        )

    def _patch(self, patch_cfg: Mapping[str, int | Sequence[int] | str]) -> dict[str, tuple[int, ...]]:
        wrong = {key: value for key, value in patch_cfg.items() if isinstance(value, str)}
        sides = {key: as_tuple(value, self.axes) for key, value in patch_cfg.items() if not isinstance(value, str)}
        if wrong:
            raise ValueError(f'{self.title}: patch_cfg with {wrong} is not supported: give numbers')
        if set(patch_cfg) != {'kernel_size', 'stride', 'padding'}:
            given = ', '.join(sorted(patch_cfg))
            raise ValueError(f'{self.title}: patch_cfg needs kernel_size, stride and padding, got {given}')
        return sides

    def _arch(self, arch: str | Mapping[str, Any]) -> str | dict[str, Any]:
        """Our architecture; theirs counts blocks across stages."""
        if isinstance(arch, str):
            if arch.lower() not in _SIZES:
                raise ValueError(f'{self.title}: no arch {arch!r}: choose from {", ".join(_SIZES)}, or give a dict')
            return f'v2_{arch.lower()}'
        starts = list(arch['downscale_indices'])
        if list(arch.get('dim_mul_indices', starts)) != starts:
            raise ValueError(
                f'{self.title}: arch with dim_mul_indices={arch["dim_mul_indices"]} other than '
                f'downscale_indices={starts}, stages that expand channels without pooling, is not supported'
            )
        return dict(
            version=2,
            embed_dims=arch['embed_dims'],
            num_heads=arch['num_heads'],
            depths=[end - start for start, end in zip([0, *starts], [*starts, arch['num_layers']], strict=True)],
        )

    def matches(self, state_dict: Mapping[str, Tensor]) -> bool:
        """Whether names and patches look like their MViT."""
        patches = state_dict.get('backbone.patch_embed.projection.weight')
        own = patches is not None and patches.ndim == self.axes + 2
        return own and 'backbone.blocks.0.attn.norm_k.weight' in state_dict

    def unpack(self, theirs: StateDict) -> StateDict:
        """The last norm without a number, class positions apart."""
        last = _last_norm(theirs)
        theirs = {re.sub(f'^{last}', 'backbone.norm.', name): value for name, value in theirs.items()}
        return split_class_position(theirs, 'backbone.')

    def pack(self, theirs: StateDict) -> StateDict:
        """Inverse of :meth:`unpack`."""
        last = _last_norm(theirs)
        theirs = {re.sub(r'^backbone\.norm\.', last, name): value for name, value in theirs.items()}
        return join_class_position(theirs, 'backbone.')


def _last_norm(names: Mapping[str, Tensor]) -> str:
    """Their name of the last scale's norm: its number is that of the blocks that expand channels."""
    return f'backbone.norm{sum(bool(_EXPANDS.search(name)) for name in names)}.'

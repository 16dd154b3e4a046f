"""UniFormerV2 of its authors (OpenGVLab/UniFormerV2, `slowfast/models/uniformerv2_model.py`)."""

import re
from collections.abc import Mapping
from typing import Any, ClassVar

import torch
from torch import Tensor

from ...names import NameTable, prefixed
from ...options import layer_norm_eps
from ...source import Source, StateDict, register
from ..vit.clip import BLOCKS, STEM, join_embeddings, split_embeddings


def _lt_mhra(number: int) -> tuple[tuple[str, str], ...]:
    theirs, ours = f'transformer.resblocks.{{i}}.lmhra{number}.pos_embed.', f'blocks.{{i}}.temporal{number}.'
    layers = enumerate(('norm', 'value', 'conv', 'proj'))
    return prefixed(theirs, ours, *((f'{j}.{{leaf}}', f'{layer}.{{leaf}}') for j, layer in layers))


BACKBONE = (
    *STEM,
    *BLOCKS,
    *_lt_mhra(1),
    *_lt_mhra(2),
    ('transformer.temporal_cls_token', 'fusion.queries'),
    ('transformer.balance', 'alpha_logit'),
    ('transformer.dpe.{i}.{leaf}', 'fusion.blocks.{i}.dpe.conv.{leaf}'),
    *prefixed(
        'transformer.dec.{i}.',
        'fusion.blocks.{i}.',
        ('attn.q.{leaf}', 'attn.q.{leaf}'),
        ('attn.kv.{leaf}', 'attn.kv.{leaf}'),
        ('attn.out_proj.{leaf}', 'attn.proj.{leaf}'),
        ('ln_1.{leaf}', 'norm_q.{leaf}'),
        ('ln_3.{leaf}', 'norm_kv.{leaf}'),
        ('ln_2.{leaf}', 'norm2.{leaf}'),
        ('mlp.c_fc.{leaf}', 'mlp.fc1.{leaf}'),
        ('mlp.c_proj.{leaf}', 'mlp.fc2.{leaf}'),
    ),
)
# prefix of the names in files of their trainer, whose model has theirs as `backbone`
_WRITTEN = 'backbone.'
# of the head and of the builder, and what other options already say
_IGNORED = ('builder', 'num_classes', 'cls_dropout', 'use_checkpoint', 'checkpoint_num')


@register()
class OpenGVLabUniFormerV2(Source):
    """Options are arguments of their `VisionTransformer`; those left out have the values of their `uniformerv2_b16`.
    `norm` is 'LN' or 'LN eps=…'.

    Files that their trainer wrote have `backbone.` before all names. Those of frozen models have no `balance`, since
    these classify only the video token.
    """

    family, repository, title = 'uniformerv2', 'opengvlab', "the authors' UniFormerV2"
    aliases: ClassVar[tuple[str, ...]] = ('authors', 'OpenGVLab/UniFormerV2')
    golden: ClassVar[str | None] = 'UniFormerV2'
    prefix: ClassVar[str] = ''
    table = NameTable(
        *prefixed('', 'backbone.', *BACKBONE),
        ('transformer.proj.0.{leaf}', 'backbone.norm.{leaf}'),
        ('transformer.proj.2.{leaf}', 'cls_head.fc_cls.{leaf}'),
    )
    defaults = dict(
        resolution=224,
        patch_size=16,
        width=768,
        layers=12,
        heads=12,
        dw_reduction=1.5,
        kernel_size=3,
        temporal_downsample=True,
        no_lmhra=False,
        double_lmhra=True,
        return_list=(8, 9, 10, 11),
        n_head=None,
        n_layers=None,
        n_dim=None,
        mlp_factor=4.0,
        mlp_dropout=0.5,
        backbone_drop_path_rate=0.0,
        drop_path_rate=0.0,
        frozen=False,
        t_size=16,
        norm='LN eps=1e-5',
    )
    ignored: ClassVar[tuple[str, ...]] = _IGNORED

    def matches(self, state_dict: Mapping[str, Tensor]) -> bool:
        """Whether there are global UniBlocks or their balance on a ViT of CLIP's names, and no head of mmaction2."""
        for prefix in ('', _WRITTEN):
            own = (f'{prefix}transformer.{name}' for name in ('temporal_cls_token', 'balance'))
            if f'{prefix}transformer.resblocks.0.ln_1.weight' in state_dict and any(k in state_dict for k in own):
                return f'{prefix}transformer.norm.weight' not in state_dict
        return False

    def translate(self, options: dict[str, Any]) -> dict[str, Any]:
        """Config of our backbone."""
        layers, width, size = options['return_list'], options['width'], options['resolution']
        if options['n_dim'] not in (None, width):
            raise ValueError(f'{self.title}: n_dim={options["n_dim"]} is not supported: choose the width, {width}')
        if options['n_layers'] not in (None, len(layers)):
            raise ValueError(
                f'{self.title}: n_layers={options["n_layers"]} for return_list={layers}: choose its '
                f'length, {len(layers)}'
            )
        dropout = options['mlp_dropout']
        rates = {dropout} if isinstance(dropout, float | int) else set(dropout)
        if len(rates) > 1:
            raise ValueError(f'{self.title}: mlp_dropout={dropout} is not supported: choose one number for all blocks')
        return dict(
            type='mmhvt.UniFormerV2',
            arch=dict(
                embed_dims=width,
                num_heads=options['heads'],
                depth=options['layers'],
                patch_size=options['patch_size'],
            ),
            input_size=(options['t_size'], size, size),
            vit=dict(
                act='quick_gelu',
                pre_norm=True,
                patch_bias=False,
                eps=layer_norm_eps(self.title, 'norm', options['norm'], 1e-5),
            ),
            local_layers=None if options['no_lmhra'] else 'all',
            local_times=2 if options['double_lmhra'] else 1,
            local_reduction=options['dw_reduction'],
            global_layers=[i + 1 for i in layers] or None,
            global_num_heads=options['n_head'],
            global_mlp_ratio=options['mlp_factor'],
            global_dropout=rates.pop() if rates else 0.0,
            temporal_downsample=options['temporal_downsample'],
            patch_frames=options['kernel_size'],
            drop_path_rate=options['backbone_drop_path_rate'],
            global_drop_path_rate=options['drop_path_rate'],
            frozen=options['frozen'],
        )

    def pooled(self, reference_state_dict: Mapping[str, Tensor]) -> str:
        """Always the class token with the video token."""
        return 'cls_token'

    def unpack(self, theirs: StateDict) -> StateDict:
        """Queries apart from keys and values, point-wise convolutions as linear layers, depth-wise ones without width.

        Theirs weighs the frames' class token where the paper's α and ours weigh the video token.
        """
        if not self.prefix:
            theirs = {name.removeprefix(_WRITTEN): value for name, value in theirs.items()}
        theirs = split_embeddings(theirs, self.prefix)
        balance = f'{self.prefix}transformer.balance'
        if balance in theirs:
            theirs[balance] = -theirs[balance]
        pattern = re.compile(rf'({re.escape(self.prefix)}transformer\.dec\.\d+\.attn\.)in_proj_(\w+)')
        for match in [match for match in map(pattern.fullmatch, theirs) if match]:
            query, *keys_values = theirs.pop(match[0]).chunk(3)
            theirs[f'{match[1]}q.{match[2]}'], theirs[f'{match[1]}kv.{match[2]}'] = query, torch.cat(keys_values)
        return {name: _as_layer(name, value) for name, value in theirs.items()}

    def pack(self, theirs: StateDict) -> StateDict:
        """Inverse of :meth:`unpack`."""
        theirs = join_embeddings(theirs, self.prefix)
        balance = f'{self.prefix}transformer.balance'
        if balance in theirs:
            theirs[balance] = -theirs[balance]
        pattern = re.compile(rf'({re.escape(self.prefix)}transformer\.dec\.\d+\.attn\.)q\.(\w+)')
        for match in [match for match in map(pattern.fullmatch, theirs) if match]:
            parts = theirs.pop(match[0]), theirs.pop(f'{match[1]}kv.{match[2]}')
            theirs[f'{match[1]}in_proj_{match[2]}'] = torch.cat(parts)
        return {name: _as_conv(name, value) for name, value in theirs.items()}


def _as_layer(name: str, value: Tensor) -> Tensor:
    """A kernel of their LT_MHRA (out, in, T, 1, 1) as ours."""
    if not re.search(r'\.lmhra\d\.pos_embed\.\d\.weight$', name) or value.ndim != 5:
        return value
    return value[..., 0] if '.pos_embed.2.' in name else value[:, :, 0, 0, 0]


def _as_conv(name: str, value: Tensor) -> Tensor:
    """Inverse of :func:`_as_layer`."""
    if re.search(r'\.lmhra\d\.pos_embed\.2\.weight$', name):
        return value[..., None]
    return value[..., None, None, None] if re.search(r'\.lmhra\d\.pos_embed\.[13]\.weight$', name) else value

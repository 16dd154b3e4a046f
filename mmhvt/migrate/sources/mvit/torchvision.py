"""MViT and MViTv2 of torchvision (`torchvision.models.video`).

Theirs always has a class token, and absolute positions where it has no relative ones. It can also add pooled queries to
the class token (`residual_with_cls_embed`), which neither of its published models does. On a few odd grids (39 queries
over 10 keys along an axis, 47 over 12) it rounds a relative position to the neighbor of PySlowFast's and ours, because
it adds the same numbers in another order.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

from torch import Tensor

from ...names import NameTable
from ...options import named_model, resolve_options
from ...source import Source, StateDict, register
from .common import Block, stage_options

_STRUCTURE = ('block_setting', 'residual_pool', 'residual_with_cls_embed', 'rel_pos_embed', 'proj_after_attn')
# stochastic depth of their constructor and of their named models
_RATE, _NAMED_RATE = 0.0, 0.2


@register()
class TorchvisionMViT(Source):
    """Options are `name`, 'mvit_v1_b' or 'mvit_v2_s', with arguments beside it; or arguments of `MViT`, the
    `block_setting` as a list of `MSBlockConfig` or of dicts of its fields. Sizes default to 16×224².
    """

    family, repository, title = 'mvit', 'torchvision', "torchvision's MViT"
    signature = ('conv_proj.weight', 'pos_encoding.class_token')
    table = NameTable(
        ('pos_encoding.class_token', 'backbone.cls_token'),
        ('pos_encoding.class_pos', 'backbone.pos_embed.cls'),
        ('pos_encoding.{axis}_pos', 'backbone.pos_embed.{axis}'),
        ('conv_proj.{leaf}', 'backbone.patch_embed.proj.{leaf}'),
        ('blocks.{i}.attn.rel_pos_{axis}', 'backbone.blocks.{i}.attn.rel_pos.q.{axis}'),
        ('blocks.{i}.attn.project.0.{leaf}', 'backbone.blocks.{i}.attn.proj.{leaf}'),
        ('blocks.{i}.attn.pool_{what}.pool.{leaf}', 'backbone.blocks.{i}.attn.pool_{what}.{leaf}'),
        ('blocks.{i}.attn.pool_{what}.norm_act.0.{leaf}', 'backbone.blocks.{i}.attn.pool_{what}.norm.{leaf}'),
        ('blocks.{i}.attn.qkv.{leaf}', 'backbone.blocks.{i}.attn.qkv.{leaf}'),
        ('blocks.{i}.mlp.0.{leaf}', 'backbone.blocks.{i}.mlp.fc1.{leaf}'),
        ('blocks.{i}.mlp.3.{leaf}', 'backbone.blocks.{i}.mlp.fc2.{leaf}'),
        ('blocks.{i}.project.{leaf}', 'backbone.blocks.{i}.proj.{leaf}'),
        ('blocks.{i}.norm{n}.{leaf}', 'backbone.blocks.{i}.norm{n}.{leaf}'),
        ('norm.{leaf}', 'backbone.norm.{leaf}'),
        ('head.1.{leaf}', 'cls_head.fc_cls.{leaf}'),
    )
    models = dict(mvit_v1_b=dict(arch='base', rel_pos_embed=False), mvit_v2_s=dict(arch='v2_small', rel_pos_embed=True))
    defaults = dict(
        spatial_size=(224, 224),
        temporal_size=16,
        patch_embed_kernel=(3, 7, 7),
        patch_embed_stride=(2, 4, 4),
        patch_embed_padding=(1, 3, 3),
        stochastic_depth_prob=_RATE,
    )
    fixed = dict(attention_dropout=0.0, block=None, norm_layer=None)
    ignored = ('weights', 'progress', 'num_classes', 'dropout')

    def options(self, reference_config: Mapping[str, Any]) -> dict[str, Any]:
        """Their options; with a name, the blocks are those of that model."""
        named = reference_config.get('name') is not None
        defaults = dict(self.defaults, stochastic_depth_prob=_NAMED_RATE if named else _RATE)
        given = {key: value for key, value in reference_config.items() if key != 'name'}
        required = () if named else _STRUCTURE
        model = named_model(self.title, {'name': reference_config['name']}, self.models) if named else {}
        return model | resolve_options(self.title, given, defaults, self.fixed, self.ignored, required)

    def translate(self, options: dict[str, Any]) -> dict[str, Any]:
        """Config of our backbone."""
        height, width = options['spatial_size']
        if options['rel_pos_embed']:
            # their tables of a rectangle are those of a square of its longer side, and nothing else has a size
            height = width = max(height, width)
        return dict(
            type='mmhvt.MViT',
            **(self._structure(options) if 'block_setting' in options else dict(arch=options['arch'])),
            with_cls_token=True,
            input_size=(options['temporal_size'], height, width),
            patch_kernel=options['patch_embed_kernel'],
            patch_stride=options['patch_embed_stride'],
            patch_padding=options['patch_embed_padding'],
            drop_path_rate=options['stochastic_depth_prob'],
        )

    def _structure(self, options: dict[str, Any]) -> dict[str, Any]:
        """Architecture from a `block_setting`."""
        residual, expand_attn, rel_pos = (options[k] for k in ('residual_pool', 'proj_after_attn', 'rel_pos_embed'))
        if residual and options['residual_with_cls_embed']:
            raise ValueError(
                f'{self.title}: residual_with_cls_embed=True with residual_pool=True is not supported: choose False, '
                'as in mvit_v2_s'
            )
        settings = [block if isinstance(block, Mapping) else asdict(block) for block in options['block_setting']]
        kernel = self._kernel(settings)
        depths, pooling = stage_options(
            self.title, _blocks(settings, kernel, expand_attn), axes=3, fixed_kernel=kernel is not None
        )
        return dict(
            arch=dict(
                version=2 if expand_attn else 1,
                embed_dims=settings[0]['input_channels'],
                num_heads=settings[0]['num_heads'],
                depths=depths,
            ),
            pool_mode='conv',
            pool_kernel='s+1' if kernel is None else kernel,
            **pooling,
            abs_pos='none' if rel_pos else 'separate',
            rel_pos='decomposed' if rel_pos else 'none',
            residual_pooling=residual,
            expand_in='attn' if expand_attn else 'mlp',
            mlp_ratio=4.0,
            qkv_bias=True,
            mean_before_norm=False,
            out_type='cls_token',
        )

    def _kernel(self, settings: Sequence[Mapping[str, Any]]) -> tuple[int, ...] | None:
        """The kernel of all poolings; None if it is s+1 for a stride s."""
        pools = [pool for block in settings for what in ('q', 'kv') if (pool := _pool(block, what))]
        if all(kernel == tuple(s + 1 if s > 1 else s for s in stride) for kernel, stride in pools):
            return None
        if any(kernel != pools[0][0] for kernel, _ in pools):
            raise ValueError(
                f'{self.title}: kernels of block_setting are neither all the same nor s+1 for a stride of s'
            )
        return pools[0][0]

    def pooled(self, reference_state_dict: Mapping[str, Tensor]) -> str:
        """The class token, always."""
        return 'cls_token'

    def unpack(self, theirs: StateDict) -> StateDict:
        """Tokens and positions with a batch axis."""
        positions = {k: v for k, v in theirs.items() if k.startswith('pos_encoding.')}
        return theirs | {k: v[None, None] if v.ndim == 1 else v[None] for k, v in positions.items()}

    def pack(self, theirs: StateDict) -> StateDict:
        """Inverse of :meth:`unpack`."""
        positions = {k: v for k, v in theirs.items() if k.startswith('pos_encoding.')}
        return theirs | {k: v[0, 0] if k.startswith('pos_encoding.class_') else v[0] for k, v in positions.items()}


def _pool(block: Mapping[str, Any], what: str) -> tuple[tuple[int, ...], tuple[int, ...]] | None:
    """Kernel and stride of the pooling of queries ('q') or of keys and values ('kv'); None if there is none."""
    kernel, stride = tuple(block[f'kernel_{what}']), tuple(block[f'stride_{what}'])
    return (kernel, stride) if math.prod((*kernel, *stride)) > 1 else None


def _blocks(settings: Sequence[Mapping[str, Any]], kernel: tuple[int, ...] | None, expand_attn: bool) -> list[Block]:
    """Blocks from theirs, which list channels and heads."""
    pools = {what: [_pool(block, what) for block in settings] for what in ('q', 'kv')}
    strides = {what: [pool[1] if pool else None for pool in found] for what, found in pools.items()}
    if kernel is None and any(strides['kv']):
        # a kernel of s+1 pools nothing where the stride is 1
        strides['kv'] = [stride or (1, 1, 1) for stride in strides['kv']]
    growth = [block['output_channels'] / block['input_channels'] for block in settings]
    # channels that expand in an MLP are those of the next block
    growth = growth if expand_attn else [1.0, *growth[:-1]]
    heads = [block['num_heads'] for block in settings]
    factors = [1.0, *(now / before for before, now in zip(heads, heads[1:], strict=False))]
    return [Block(*block) for block in zip(growth, factors, strides['q'], strides['kv'], strict=True)]

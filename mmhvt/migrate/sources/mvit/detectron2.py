"""detectron2's MViTv2 for detection (`detectron2.modeling.MViT`), alone or in a Mask R-CNN or Cascade Mask R-CNN."""

import math
import re
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from ...names import NameTable, prefixed
from ...options import layer_norm_eps
from ...source import Source, StateDict, register
from .. import detectron2_heads
from .common import BLOCKS

# names of two options in golden files
_GOLDEN = dict(norm='norm_layer', act='act_layer')


@register(priority=30)
class Detectron2MViT(Source):
    """Options are arguments of `MViT`; `norm_layer` is 'LN' or 'LN eps=…'."""

    family, repository, title = 'mvit', 'detectron2', "detectron2's MViT"
    golden = 'detectron2'
    table = NameTable(
        ('scale2_norm.{leaf}', 'backbone.norm0.{leaf}'),
        ('scale3_norm.{leaf}', 'backbone.norm1.{leaf}'),
        ('scale4_norm.{leaf}', 'backbone.norm2.{leaf}'),
        ('scale5_norm.{leaf}', 'backbone.norm.{leaf}'),
        ('pos_embed', 'backbone.pos_embed.joint'),
        ('patch_embed.proj.{leaf}', 'backbone.patch_embed.proj.{leaf}'),
        *prefixed('', 'backbone.', *BLOCKS),
        *detectron2_heads.TABLE,
    )
    defaults = dict(
        img_size=224,
        patch_kernel=(7, 7),
        patch_stride=(4, 4),
        patch_padding=(3, 3),
        in_chans=3,
        embed_dim=96,
        depth=16,
        num_heads=1,
        last_block_indexes=(0, 2, 11, 15),
        qkv_pool_kernel=(3, 3),
        adaptive_kv_stride=4,
        adaptive_window_size=56,
        residual_pooling=True,
        mlp_ratio=4.0,
        qkv_bias=True,
        drop_path_rate=0.0,
        norm_layer='LN',
        use_abs_pos=False,
        use_rel_pos=True,
        use_act_checkpoint=False,
        pretrain_img_size=224,
        out_features=('scale2', 'scale3', 'scale4', 'scale5'),
    )
    fixed = dict(act_layer='GELU')
    # initialization; a file shows whether there is a place for a class token
    ignored = ('rel_pos_zero_init', 'pretrain_use_cls_token')

    def options(self, reference_config: Mapping[str, Any]) -> dict[str, Any]:
        """Their options; golden files call two of them by other names."""
        return super().options({_GOLDEN.get(key, key): value for key, value in reference_config.items()})

    def translate(self, options: dict[str, Any]) -> dict[str, Any]:
        """Config of our backbone."""
        last, kernel = options['last_block_indexes'], options['qkv_pool_kernel']
        size, pretrain_size = options['img_size'], options['pretrain_img_size']
        if math.prod(kernel) == 1:
            raise ValueError(f'{self.title}: qkv_pool_kernel={kernel} is not supported: choose a larger kernel')
        if last[-1] != options['depth'] - 1:
            raise ValueError(
                f'{self.title}: depth={options["depth"]} with last_block_indexes={last}: choose a depth of '
                f'{last[-1] + 1}'
            )
        if options['use_abs_pos'] and size != pretrain_size:
            raise ValueError(
                f'{self.title}: img_size={size} with absolute positions of pretrain_img_size={pretrain_size} is not '
                'supported: choose the same for both'
            )
        return dict(
            type='mmhvt.MViT',
            arch=dict(
                version=2,
                embed_dims=options['embed_dim'],
                num_heads=options['num_heads'],
                depths=[end - start for start, end in zip([-1, *last[:-1]], last, strict=True)],
            ),
            input_size=(size, size),
            in_channels=options['in_chans'],
            patch_kernel=options['patch_kernel'],
            patch_stride=options['patch_stride'],
            patch_padding=options['patch_padding'],
            pool_kernel=kernel,
            kv_stride=(options['adaptive_kv_stride'],) * 2,
            window_size=options['adaptive_window_size'] or None,
            coarse_last_kv=True,
            abs_pos='joint' if options['use_abs_pos'] else 'none',
            rel_pos='space' if options['use_rel_pos'] else 'none',
            residual_pooling=options['residual_pooling'],
            mlp_ratio=options['mlp_ratio'],
            qkv_bias=options['qkv_bias'],
            drop_path_rate=options['drop_path_rate'],
            pos_mode='bicubic',
            norm_cfg=dict(type='LN', eps=layer_norm_eps(self.title, 'norm_layer', options['norm_layer'], 1e-5)),
            with_cp=options['use_act_checkpoint'],
            out_indices=[int(name.removeprefix('scale')) - 2 for name in options['out_features']],
            out_type='featmap',
        )

    def matches(self, state_dict: Mapping[str, Tensor]) -> bool:
        """Whether names look like their MViT, alone or in a detector."""
        return any(re.search(r'(?:^|\.)scale[2-5]_norm\.weight$', name) for name in state_dict)

    def left_out(self, reference_state_dict: Mapping[str, Tensor]) -> dict[str, str]:
        """What detectors compute, and heads that no Mask R-CNN has."""
        return detectron2_heads.spare_reasons(reference_state_dict, _prefix(reference_state_dict))

    def unpack(self, theirs: StateDict) -> StateDict:
        """A detector without the place that positions keep for the class token of pre-training."""
        prefix = _prefix(theirs)
        heads = {k: v for k, v in theirs.items() if prefix and k.startswith(detectron2_heads.PARTS)}
        theirs = {name.removeprefix(prefix): value for name, value in theirs.items() if name not in heads}
        if 'pos_embed' in theirs:
            count = theirs['pos_embed'].shape[1]
            has_cls = math.isqrt(count - 1) ** 2 == count - 1
            theirs['pos_embed'] = theirs['pos_embed'][:, int(has_cls) :]
        return theirs | detectron2_heads.unpack_heads(heads)

    def pack(self, theirs: StateDict) -> StateDict:
        """Inverse of :meth:`unpack`; the place of the class token comes back as zeros."""
        if 'pos_embed' in theirs:
            positions = theirs['pos_embed']
            theirs['pos_embed'] = torch.cat([torch.zeros_like(positions[:, :1]), positions], 1)
        heads = {k: v for k, v in theirs.items() if k.startswith(detectron2_heads.PARTS)}
        prefix = _PREFIXES[0] if heads else ''
        return {f'{prefix}{k}': v for k, v in theirs.items() if k not in heads} | detectron2_heads.pack_heads(heads)


# of the backbone in a detector
_PREFIXES = ('backbone.bottom_up.', 'backbone.')


def _prefix(names: Mapping[str, Tensor]) -> str:
    """Prefix of the backbone in a detector; '' if it is alone."""
    return next((prefix for prefix in _PREFIXES if any(name.startswith(prefix) for name in names)), '')

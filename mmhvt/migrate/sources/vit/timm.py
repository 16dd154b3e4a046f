"""Image ViTs with timm's names: timm's own, and DeiT III, DINO and MAE of their authors.

The head, MAE's decoder and DINO's projection are left out of a backbone. Positions are of square images.
"""

from collections.abc import Mapping
from typing import Any, ClassVar

from torch import Tensor

from ...names import NameTable
from ...options import layer_norm_eps
from ...source import Source, StateDict, register
from . import common


@register(priority=-10)
class TimmViT(Source):
    """Options are arguments of timm's `VisionTransformer`; `norm_layer` is 'LN' or 'LN eps=…', `act_layer` 'gelu' or
    'quick_gelu'.
    """

    family, repository, title = 'vit', 'timm', "timm's ViT"
    aliases: ClassVar[tuple[str, ...]] = ('DeiT', 'DINO', 'MAE')
    table = NameTable(
        *common.PARAMETERS,
        ('norm_pre.{leaf}', 'backbone.pre_norm.{leaf}'),
        ('blocks.{i}.ls{n}.gamma', 'backbone.blocks.{i}.ls{n}.gamma'),
        ('blocks.{i}.gamma_{n}', 'backbone.blocks.{i}.ls{n}.gamma'),  # DeiT III's own code
        ('pre_logits.fc.{leaf}', 'cls_head.pre_logits.{leaf}'),
        ('decoder_{rest}', 'decoder.{rest}'),
        ('head.{rest}', 'projection_head.{rest}'),
    )
    defaults = common.ARGUMENTS | dict(pre_norm=False, act_layer='gelu')
    # published models with a class token have no others
    fixed = dict(
        class_token=True,
        pos_embed='learn',
        reg_tokens=0,
        qk_norm=False,
        scale_attn_norm=False,
        scale_mlp_norm=False,
        proj_bias=True,
        final_norm=True,
    )
    ignored = ('num_classes', 'global_pool', 'no_embed_class', 'fc_norm', 'dynamic_img_size')

    def translate(self, options: dict[str, Any]) -> dict[str, Any]:
        """Config of our backbone."""
        style = dict(
            act=options['act_layer'],
            pre_norm=options['pre_norm'],
            patch_bias=not options['pre_norm'],
            layer_scale=options['init_values'] or None,
            eps=layer_norm_eps(self.title, 'norm_layer', options['norm_layer'], 1e-6),
        )
        return common.vit_cfg(self.title, options, style)

    def matches(self, state_dict: Mapping[str, Tensor]) -> bool:
        """Whether names look like an image ViT's, alone or after the `backbone.` of DINO's training."""
        prefix = _prefix(state_dict)
        patches = state_dict.get(f'{prefix}patch_embed.proj.weight')
        names = ('cls_token', 'pos_embed', 'blocks.0.mlp.fc1.weight')
        return patches is not None and patches.ndim == 4 and all(f'{prefix}{name}' in state_dict for name in names)

    def pooled(self, reference_state_dict: Mapping[str, Tensor]) -> str | None:
        """The mean of the patches, if a norm of its own follows it."""
        return common.pooled_before(reference_state_dict, mean='fc_norm.weight', token='norm.weight')

    def unpack(self, theirs: StateDict) -> StateDict:
        """Names without the `backbone.` of DINO's training, positions of the class token apart."""
        prefix = _prefix(theirs)
        return common.split_positions({name.removeprefix(prefix): value for name, value in theirs.items()})

    def pack(self, theirs: StateDict) -> StateDict:
        """Inverse of :meth:`unpack`, with timm's names."""
        return common.join_positions(theirs)


def _prefix(state_dict: Mapping[str, Tensor]) -> str:
    """'backbone.' where DINO's training put the ViT beside its projection, or nothing."""
    return 'backbone.' if 'backbone.blocks.0.mlp.fc1.weight' in state_dict else ''

"""SMViT of its authors, as Hiera (facebookresearch/hiera, hiera-transformer on PyPI), with its masked autoencoder."""

from collections.abc import Mapping
from typing import Any

from torch import Tensor

from ...names import NameTable, same
from ...options import resolve_options
from ...source import Source, register
from . import common

_DECODER = dict(decoder_embed_dim=512, decoder_depth=8, decoder_num_heads=16, mask_ratio=0.6)


@register(priority=-10)
class FairHiera(Source):
    """Options are arguments of `hiera.Hiera`; `norm_layer` is 'LN' or 'LN eps=…'.

    Those of the masked autoencoder are arguments of `MaskedAutoencoderHiera` and `mask_ratio`.
    """

    family, repository, title = 'hiera', 'fair', 'Hiera of facebookresearch/hiera'
    aliases, golden = ('facebookresearch', 'facebookresearch/hiera', 'SMViT'), 'hiera-transformer'
    signature = ('blocks.0.attn.qkv.weight', 'blocks.0.mlp.fc1.weight')
    table = NameTable(
        ('pos_embed', 'backbone.pos_embed.joint'),
        ('pos_embed_spatial', 'backbone.pos_embed.spatial'),
        ('pos_embed_temporal', 'backbone.pos_embed.temporal'),
        *same('backbone.', 'patch_embed.proj.{leaf}', *common.BLOCKS, 'norm.{leaf}'),
        ('head.projection.{leaf}', 'cls_head.fc_cls.{leaf}'),
        # only in the masked autoencoder, which has no final norm
        ('multi_scale_fusion_heads.{rest}', 'fusion.heads.{rest}'),
        ('encoder_norm.{leaf}', 'fusion.norm.{leaf}'),
        ('mask_token', 'decoder.mask_token'),
        ('decoder_pos_embed', 'decoder.pos_embed.joint'),
        ('decoder_embed.{leaf}', 'decoder.embed.{leaf}'),
        ('decoder_blocks.{i}.{rest}', 'decoder.blocks.{i}.{rest}'),
        ('decoder_norm.{leaf}', 'decoder.norm.{leaf}'),
        ('decoder_pred.{leaf}', 'decoder.predict.{leaf}'),
    )
    defaults = common.ARGUMENTS | dict(input_size=(224, 224))
    ignored = ('num_classes', 'head_dropout', 'head_init_scale')

    def translate(self, options: dict[str, Any]) -> dict[str, Any]:
        """Config of our backbone."""
        return common.backbone_cfg(self.title, options, options['input_size'])

    def mae_cfg(self, reference_config: Mapping[str, Any]) -> dict[str, Any]:
        """Config of our masked autoencoder; `kept_mask_units` of golden files is not an option of a model."""
        ignored = (*self.ignored, 'kept_mask_units')
        options = resolve_options(self.title, reference_config, self.defaults | _DECODER, ignored=ignored)
        backbone = self.translate(options)
        return dict(
            type='mmhvt.MAE',
            backbone=backbone,
            mask_ratio=options['mask_ratio'],
            decoder=dict(
                embed_dims=options['decoder_embed_dim'],
                depth=options['decoder_depth'],
                num_heads=options['decoder_num_heads'],
                mlp_ratio=options['mlp_ratio'],
            ),
            norm_cfg=backbone['norm_cfg'],
        )

    def matches(self, state_dict: Mapping[str, Tensor]) -> bool:
        """Whether names look like Hiera's."""
        has_positions = 'pos_embed' in state_dict or 'pos_embed_spatial' in state_dict
        return has_positions and 'cls_token' not in state_dict and super().matches(state_dict)

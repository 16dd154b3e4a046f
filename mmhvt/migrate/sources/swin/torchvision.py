"""Video Swin of torchvision (`torchvision.models.video`).

Load what is exported with `strict=False`: `relative_position_index`, which a model computes, is not exported.
"""

import re
from collections.abc import Mapping
from typing import Any

from ...names import NameTable, prefixed, same
from ...options import named_model, resolve_options
from ...source import Source, StateDict, register
from . import common

_STRUCTURE = ('patch_size', 'embed_dim', 'depths', 'num_heads', 'window_size')


@register()
class TorchvisionVideoSwin(Source):
    """Options are `name`, 'swin3d_t', 'swin3d_s' or 'swin3d_b', with arguments beside it; or arguments of
    `torchvision.models.video.swin_transformer.SwinTransformer3d`.
    """

    family, repository, title = 'swin', 'torchvision', "torchvision's Video Swin"
    aliases = ('video-swin',)
    buffers = common.BUFFERS
    signature = ('patch_embed.proj.weight', 'features.0.0.attn.relative_position_bias_table')
    table = NameTable(
        *same('backbone.', 'patch_embed.proj.{leaf}'),
        ('patch_embed.norm.{leaf}', 'backbone.patch_norm.{leaf}'),
        ('blocks.{i}.mlp.0.{leaf}', 'backbone.blocks.{i}.mlp.fc1.{leaf}'),
        ('blocks.{i}.mlp.3.{leaf}', 'backbone.blocks.{i}.mlp.fc2.{leaf}'),
        *prefixed('', 'backbone.', *common.BLOCKS),
        ('layers.{i}.downsample.{layer}.{leaf}', 'backbone.merges.{i}.{layer}.{leaf}'),
        *same('backbone.', 'norm.{leaf}'),
        ('head.{leaf}', 'cls_head.fc_cls.{leaf}'),
    )
    models = dict(swin3d_t=dict(arch='tiny'), swin3d_s=dict(arch='small'), swin3d_b=dict(arch='base'))
    defaults = dict(mlp_ratio=4.0, stochastic_depth_prob=0.1)
    fixed = dict(dropout=0.0, attention_dropout=0.0, norm_layer=None, block=None, patch_embed=None)
    ignored = ('weights', 'progress', 'num_classes')

    def options(self, reference_config: Mapping[str, Any]) -> dict[str, Any]:
        """Their options; with a name, the structure is that of the model."""
        named = reference_config.get('name') is not None
        given = {key: value for key, value in reference_config.items() if key != 'name'}
        required = () if named else _STRUCTURE
        model = named_model(self.title, {'name': reference_config['name']}, self.models) if named else {}
        return model | resolve_options(self.title, given, self.defaults, self.fixed, self.ignored, required)

    def translate(self, options: dict[str, Any]) -> dict[str, Any]:
        """Config of our backbone."""
        ours = dict(
            type='mmhvt.VideoSwin', mlp_ratio=options['mlp_ratio'], drop_path_rate=options['stochastic_depth_prob']
        )
        if 'arch' in options:
            return ours | dict(arch=options['arch'])
        return ours | dict(
            arch=dict(
                embed_dims=options['embed_dim'], depths=tuple(options['depths']), num_heads=tuple(options['num_heads'])
            ),
            patch_size=tuple(options['patch_size']),
            window_size=tuple(options['window_size']),
        )

    def unpack(self, theirs: StateDict) -> StateDict:
        """Blocks numbered across stages, between which `features` has the mergings."""

        def layer(match: re.Match) -> str:
            stage, merges = divmod(int(match[1]), 2)
            return f'layers.{stage}.{"downsample" if merges else "blocks"}.'

        return common.number_layers({re.sub(r'^features\.(\d+)\.', layer, k): v for k, v in theirs.items()})

    def pack(self, theirs: StateDict) -> StateDict:
        """Inverse of :meth:`unpack`."""

        def feature(match: re.Match) -> str:
            return f'features.{2 * int(match[1]) + (match[2] == "downsample")}.'

        theirs = common.stage_layers(theirs)
        return {re.sub(r'^layers\.(\d+)\.(blocks|downsample)\.', feature, k): v for k, v in theirs.items()}

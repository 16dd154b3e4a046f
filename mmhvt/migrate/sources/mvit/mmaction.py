"""MViT of mmaction2 (`mmaction.models.MViT` in a `Recognizer3D`).

Theirs halves the stride of keys in time as in space. The class token and its position are in a file even if the model
does not use them.
"""

from typing import Any

from ...source import register
from .openmmlab import OpenMMLabMViT, mvit_table


@register()
class MMActionMViT(OpenMMLabMViT):
    """Options are arguments of their `MViT`."""

    repository, title, aliases = 'mmaction', "mmaction2's MViT", ('mmaction2',)
    axes, modes = 3, {'trilinear': 'bilinear'}
    table = mvit_table('cls_head.fc_cls')
    defaults = OpenMMLabMViT.common | dict(
        spatial_size=224,
        temporal_size=16,
        interpolate_mode='trilinear',
        pool_kernel=(3, 3, 3),
        adaptive_kv_stride=(1, 8, 8),
        rel_pos_embed=True,
        with_cls_token=True,
        output_cls_token=True,
        patch_cfg=dict(kernel_size=(3, 7, 7), stride=(2, 4, 4), padding=(1, 3, 3)),
    )

    def translate(self, options: dict[str, Any]) -> dict[str, Any]:
        """Config of our backbone."""
        kv_stride = tuple(options['adaptive_kv_stride'])
        if kv_stride[0] > 1:
            raise ValueError(
                f'{self.title}: adaptive_kv_stride={kv_stride}, whose stride in time theirs halves from stage to '
                'stage, is not supported: choose a stride of 1 in time'
            )
        return super().translate(options) | dict(
            input_size=(options['temporal_size'], options['spatial_size'], options['spatial_size']),
            kv_stride=kv_stride,
            rel_pos='decomposed' if options['rel_pos_embed'] else 'none',
            with_cls_token=options['with_cls_token'],
            out_type='cls_token' if options['output_cls_token'] else 'avg_featmap',
        )

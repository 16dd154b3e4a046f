"""UniFormerV2 of mmaction2 (`mmaction.models.UniFormerV2` in a `Recognizer3D`)."""

from collections.abc import Mapping
from typing import Any

from torch import Tensor

from ...names import NameTable, prefixed
from ...source import register
from .opengvlab import BACKBONE, OpenGVLabUniFormerV2

# options of the authors' code that theirs does not have
_OTHERS = dict(resolution=None, frozen=False, norm='LN eps=1e-5')


@register()
class MMActionUniFormerV2(OpenGVLabUniFormerV2):
    """Options are arguments of their `UniFormerV2`."""

    repository, title, aliases, golden = 'mmaction', "mmaction2's UniFormerV2", ('mmaction2',), None
    prefix = 'backbone.'
    table = NameTable(
        *prefixed('backbone.', 'backbone.', *BACKBONE),
        ('backbone.transformer.norm.{leaf}', 'backbone.norm.{leaf}'),
        ('cls_head.fc_cls.{leaf}', 'cls_head.fc_cls.{leaf}'),
    )
    defaults = {k: v for k, v in OpenGVLabUniFormerV2.defaults.items() if k not in _OTHERS} | dict(
        input_resolution=224,
        temporal_downsample=False,
        no_lmhra=True,
        double_lmhra=False,
        t_size=8,
        n_layers=4,
        n_dim=768,
        n_head=12,
    )
    # initialization
    ignored = ('type', 'clip_pretrained', 'pretrained', 'init_cfg')

    def matches(self, state_dict: Mapping[str, Tensor]) -> bool:
        """Whether a backbone has a balance, and no classifier among its names as the authors' files have."""
        names = ('backbone.transformer.balance', 'backbone.transformer.norm.weight')
        return all(name in state_dict for name in names)

    def translate(self, options: dict[str, Any]) -> dict[str, Any]:
        """Config of our backbone."""
        return super().translate(options | _OTHERS | dict(resolution=options['input_resolution']))

"""detectron2's Swin for images (`detectron2.modeling.SwinTransformer` in an `FPN`).

It is that of the authors' detectors under another prefix; necks and heads are detectron2's and left out.
"""

from collections.abc import Mapping

from torch import Tensor

from ...source import StateDict, register
from .detection import DetectionSwin


@register()
class Detectron2Swin(DetectionSwin):
    """Options are arguments of their `SwinTransformer`; `norm_layer` is 'LN' or 'LN eps=…'."""

    repository, title, aliases = 'detectron2', "detectron2's Swin", ()
    prefix = 'backbone.bottom_up.'

    def left_out(self, reference_state_dict: Mapping[str, Tensor]) -> dict[str, str]:
        """Necks and heads of detectors, and what a model computes."""
        spare = [name for name in reference_state_dict if not name.startswith(self.prefix)]
        return super().left_out(reference_state_dict) | dict.fromkeys(spare, 'no part of the backbone')

    def unpack(self, theirs: StateDict) -> StateDict:
        """Names of the authors' detectors, and what :class:`DetectionSwin` does."""
        return super().unpack({f'backbone.{name.removeprefix(self.prefix)}': value for name, value in theirs.items()})

    def pack(self, theirs: StateDict) -> StateDict:
        """Inverse of :meth:`unpack`."""
        theirs = super().pack(theirs)
        return {f'{self.prefix}{name.removeprefix("backbone.")}': value for name, value in theirs.items()}

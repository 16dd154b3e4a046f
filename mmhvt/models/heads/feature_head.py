"""Head that returns pooled features, for recognizers that extract features."""

from typing import Annotated, Any

import mmaction.models.heads
from torch import Tensor

from mmhvt.registry import MODELS
from mmhvt.utils.option_types import Sets

from .pooling import Features, check_pooled_or_map, last_output


@MODELS.register_module()
class FeatureHead(mmaction.models.heads.FeatureHead):
    """mmaction's FeatureHead, which also takes the tuples and lists that backbones return.

    Args:
        args, kwargs: Arguments of mmaction's FeatureHead: spatial_type, temporal_type, backbone_name, num_segments,
            average_clips.
    """

    def __init__(self, *args, **kwargs: Annotated[Any, Sets('num_classes', 'in_channels')]) -> None:
        if isinstance(kwargs.get('topk'), list):  # from JSON or --cfg-options
            kwargs['topk'] = tuple(kwargs['topk'])
        super().__init__(*args, **kwargs)

    def forward(self, x: Features, num_segs: int | None = None, **kwargs) -> Tensor:
        """Pools features.

        Args:
            x: Features (N, C) or maps (N, C, [T,] H, W), or a tuple or list that ends with one; with
                ``backbone_name='slowfast'``, (slow, fast).
            num_segs: Number of segments of a video, for 2D backbones. Defaults to None.

        Returns:
            Tensor: (N, C) if space and time are pooled.

        Raises:
            ValueError: For tokens; says which options would do.
        """
        if self.backbone_name != 'slowfast':
            x = last_output(x)
            if self.backbone_name != 'gcn':
                check_pooled_or_map(x, type(self).__name__)
        return super().forward(x, num_segs, **kwargs)

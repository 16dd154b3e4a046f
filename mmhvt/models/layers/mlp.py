"""The MLP of a transformer block."""

from collections.abc import Callable

from mmengine.model import BaseModule
from torch import Tensor, nn


class Mlp(BaseModule):
    """Two linear layers with an activation between them.

    Parameters are named as in timm and in the code of most papers: `fc1`, `fc2`.

    Args:
        in_dims: Channels of the input.
        hidden_dims: Channels between the layers.
        out_dims: Channels of the output. Defaults to `in_dims`.
        act_layer: Builds the activation. Defaults to GELU.
        drop: Dropout rate of the hidden channels. Defaults to 0.
    """

    def __init__(
        self,
        in_dims: int,
        hidden_dims: int,
        out_dims: int | None = None,
        act_layer: Callable[[], nn.Module] = nn.GELU,
        drop: float = 0.0,
        init_cfg: dict | list | None = None,
    ):
        super().__init__(init_cfg)
        self.fc1 = nn.Linear(in_dims, hidden_dims)
        self.act = act_layer()
        self.drop = nn.Dropout(drop)
        self.fc2 = nn.Linear(hidden_dims, in_dims if out_dims is None else out_dims)

    def forward(self, x: Tensor) -> Tensor:
        """(..., in_dims) -> (..., out_dims)."""
        return self.fc2(self.drop(self.act(self.fc1(x))))

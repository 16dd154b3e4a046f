"""A learning rate schedule that follows the length of the run."""

import math
from typing import Annotated, Any

from mmengine.optim import _ParamScheduler

from mmhvt.registry import PARAM_SCHEDULERS
from mmhvt.utils.option_types import CheckedFloat, Sets


@PARAM_SCHEDULERS.register_module()
class WarmupCosineLR(_ParamScheduler):
    """Linear warm-up over a fraction of the run, then cosine decay to its end.

    MMEngine sets the `end` of a scheduler that has none to `max_epochs` or `max_iters`, but the warm-up of `LinearLR`
    has a fixed length, and `OneCycleLR` replaces the learning rates of layer-wise decay and of `auto_scale_lr`. Here
    ``train_cfg.max_epochs`` alone determines the whole schedule.

    Args:
        optimizer: Optimizer or its wrapper.
        warmup_ratio: Fraction of the steps from `begin` to `end` in which the learning rate rises. Defaults to 0.1.
        start_factor: Factor of the learning rate at the first step. Defaults to 0.01.
        end_factor: Factor of the learning rate at the last step. Defaults to 0.
        begin, end, last_step, by_epoch, verbose: As in MMEngine's schedulers.

    Raises:
        ValueError: If `warmup_ratio` is not in [0, 1), or a factor is not in [0, 1].
    """

    def __init__(
        self,
        optimizer: Any,
        *,
        warmup_ratio: CheckedFloat = 0.1,
        start_factor: CheckedFloat = 0.01,
        end_factor: CheckedFloat = 0.0,
        **kwargs: Annotated[Any, Sets('param_name')],
    ) -> None:
        if not 0 <= warmup_ratio < 1:
            raise ValueError(f'warmup_ratio={warmup_ratio} must be in [0, 1): it is a fraction of the run')
        for name, factor in dict(start_factor=start_factor, end_factor=end_factor).items():
            if not 0 <= factor <= 1:
                raise ValueError(f'{name}={factor} must be in [0, 1]')
        self.warmup_ratio, self.start_factor, self.end_factor = warmup_ratio, start_factor, end_factor
        super().__init__(optimizer, 'lr', **kwargs)

    @classmethod
    def build_iter_from_epoch(
        cls, *args, end: float, epoch_length: int, begin: float = 0, by_epoch: bool = True, **kwargs
    ) -> 'WarmupCosineLR':
        """Called by MMEngine for ``convert_to_iter_based=True``: `begin` and `end` are epochs."""
        return cls(*args, begin=int(begin * epoch_length), end=int(end * epoch_length), by_epoch=False, **kwargs)

    def factor(self, step: int) -> float:
        """Factor of the learning rate at a step, counted from `begin`."""
        steps = self.end - self.begin
        warmup = round(self.warmup_ratio * steps)
        if step < warmup:
            return self.start_factor + (1 - self.start_factor) * step / warmup
        progress = min((step - warmup) / max(steps - 1 - warmup, 1), 1.0)
        return self.end_factor + (1 - self.end_factor) * (1 + math.cos(math.pi * progress)) / 2

    def _get_value(self) -> list[float]:
        return [value * self.factor(self.last_step) for value in self.base_values]

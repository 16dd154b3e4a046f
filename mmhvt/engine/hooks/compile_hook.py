"""Compiles the part of a model that computes: `compile=True` in a config."""

from typing import Any, cast

from mmengine.runner import BaseLoop, Runner
from torch import nn

from mmhvt.migrate.whole import has_own_backbone, unwrap_model
from mmhvt.registry import HOOKS
from mmhvt.utils.lazy import is_sharded

from .optional_hook import OptionalHook


@HOOKS.register_module()
class CompileHook(OptionalHook):
    """Makes `compile=True` in a config, or `compile=dict(…)` with options of torch.compile, compile only the backbone.

    MMEngine compiles the `train_step` of a model, which besides the backbone has data samples, logs and the optimizer;
    some of these are recompiled in each of the first steps. Each of our backbones is one graph, and so is
    :class:`~mmhvt.models.MAE`; heads and losses take no time. Names in checkpoints do not change, and a test is not
    compiled.

    A model with another backbone is compiled as in MMEngine.

    Args:
        enabled: Whether to build the hook. Defaults to True.
    """

    def __init__(self, enabled: bool = True) -> None:
        super().__init__(enabled)
        self._given: bool | dict[str, Any] | None = None

    def before_run(self, runner: Runner) -> None:
        """Compiles, in place of the runner, the module that the first batch is going to enter.

        Raises:
            ValueError: If FSDP shards the model, so that there is no graph of it.
        """
        given, model = runner.cfg.get('compile'), unwrap_model(runner.model)
        if not given or not isinstance(runner._train_loop, BaseLoop):
            return
        if is_sharded(model):
            raise ValueError(f'compile={given} is not for models that FSDP shards: remove it, or strategy')
        if has_own_backbone(model):
            # masked pre-training enters its backbone by another method
            part = model if hasattr(model, 'reconstruct') else cast(nn.Module, model.backbone)
            part.compile(**({} if given is True else given))
            self._given, runner.cfg.compile = given, False

    def before_train(self, runner: Runner) -> None:
        """Restores the config, for logs and checkpoints."""
        if self._given is not None:
            runner.cfg.compile, self._given = self._given, None

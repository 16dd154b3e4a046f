"""Compiles what computes: `compile=True` in a config."""

from typing import Any, cast

from mmengine.runner import BaseLoop, Runner
from torch import nn

from mmhvt.migrate.whole import has_own_backbone, unwrap_model
from mmhvt.registry import HOOKS
from mmhvt.utils.lazy import is_sharded

from .optional_hook import OptionalHook


@HOOKS.register_module()
class CompileHook(OptionalHook):
    """Has `compile=True` in a config, or `compile=dict(…)` of options of torch.compile, compile the backbone alone.

    MMEngine compiles `train_step` of a model: beside the backbone data samples, logs and the optimizer, of which some
    are compiled anew in each of the first steps. A backbone of ours is one graph, and so is :class:`~mmhvt.models.MAE`;
    heads and losses take no time. Names in checkpoints stay, and a test is not compiled.

    A model with another backbone is compiled as MMEngine does.

    Args:
        enabled: Whether to build the hook. Defaults to True.
    """

    def __init__(self, enabled: bool = True) -> None:
        super().__init__(enabled)
        self._given: bool | dict[str, Any] | None = None

    def before_run(self, runner: Runner) -> None:
        """Compiles, in place of the runner, what the first batch is going to enter.

        Raises:
            ValueError: If FSDP shards the model, of which there is no graph.
        """
        given, model = runner.cfg.get('compile'), unwrap_model(runner.model)
        if not given or not isinstance(runner._train_loop, BaseLoop):
            return
        if is_sharded(model):
            raise ValueError(f'compile={given} is not for models that FSDP shards: remove it, or strategy')
        if has_own_backbone(model):
            # that of masked pre-training is entered by another method
            part = model if hasattr(model, 'reconstruct') else cast(nn.Module, model.backbone)
            part.compile(**({} if given is True else given))
            self._given, runner.cfg.compile = given, False

    def before_train(self, runner: Runner) -> None:
        """The config is as it was, for logs and checkpoints."""
        if self._given is not None:
            runner.cfg.compile, self._given = self._given, None

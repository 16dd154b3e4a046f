"""Stops a training whose loss or weights are not finite."""

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import torch
from mmengine.optim import OptimWrapper, OptimWrapperDict
from mmengine.runner import Runner
from torch import Tensor, nn

from mmhvt.migrate.whole import unwrap_model
from mmhvt.registry import HOOKS

from .optional_hook import OptionalHook
from .wrapped_datasets import unwrap_datasets

# metainfo that says where a sample is from, the best first
_FILES = ('img_path', 'filename', 'frame_dir', 'audio_path', 'img_key', 'video_id')
# steps in a row that a loss scaler may skip, each halving its scale
_SKIPPED = 10


@HOOKS.register_module()
class FiniteLossHook(OptionalHook):
    """Stops at the first loss that is NaN or infinite, before a checkpoint is written, and names the batch.

    MMEngine's RuntimeInfoHook copies the losses of each iteration from the GPU to log them; this hook reads the copies
    and waits for nothing else. With several ranks, the one that has the batch stops.

    Steps that the loss scaler of mixed precision skips leave the weights unchanged, and are not errors: scaled
    gradients overflow to find the scale, and the loss itself may overflow in float16. After ten such losses in a row,
    the next one is an error. On the CPU there is no scaler.

    Weights, buffers and optimizer states that are not finite are neither written to a checkpoint nor loaded from one.

    Args:
        enabled: Whether to build the hook. Defaults to True.
        find_layer: Whether to also name the first module whose output is not finite. The losses are then checked before
            the weights change, so that the host waits for the GPU in each iteration. Defaults to False.
    """

    # after RuntimeInfoHook, which copies the losses, and CheckpointCheckHook, which converts checkpoints; before
    # EMAHook averages the weights and CheckpointHook writes them
    priority = 'HIGH'

    def __init__(self, enabled: bool = True, find_layer: bool = False) -> None:
        super().__init__(enabled)
        self.find_layer = find_layer
        self._layer: str | None = None
        self._random: list[Tensor] = []
        self._skipped = 0

    def after_load_checkpoint(self, runner: Runner, checkpoint: dict) -> None:
        """Checks what is loaded.

        Raises:
            ValueError: If a tensor is not finite.
        """
        if not isinstance(checkpoint, Mapping):
            return
        loaded = checkpoint if runner._resume else {key: checkpoint[key] for key in checkpoint if key != 'optimizer'}
        if found := _not_finite(loaded, runner.model):
            path = runner._load_from or 'the checkpoint'
            raise ValueError(f'{path} is from a training that failed, {found}: load an earlier one')

    def before_save_checkpoint(self, runner: Runner, checkpoint: dict) -> None:
        """Checks what is written.

        Raises:
            FloatingPointError: If a tensor is not finite.
        """
        if found := _not_finite(checkpoint, runner.model):
            raise FloatingPointError(
                f'no checkpoint was written after iteration {checkpoint["meta"]["iter"]}, {found}: {_ADVICE}'
            )

    def before_train(self, runner: Runner) -> None:
        """Makes samples keep the names of their files, and with `find_layer` checks the losses of each step."""
        for dataset in unwrap_datasets(runner.train_dataloader.dataset):
            for transform in getattr(getattr(dataset, 'pipeline', None), 'transforms', ()):
                if hasattr(transform, 'meta_keys'):
                    transform.meta_keys = tuple(dict.fromkeys((*transform.meta_keys, *_FILES)))
        if self.find_layer:
            runner.model.register_forward_pre_hook(self._remember)
            runner.model.register_forward_hook(self._look, with_kwargs=True)

    def after_train_iter(
        self, runner: Runner, batch_idx: int, data_batch: Any = None, outputs: Mapping[str, Any] | None = None
    ) -> None:
        """Checks the losses.

        Raises:
            FloatingPointError: If one is not finite. The message names the iteration, the losses, the learning rate and
                the files of the batch.
        """
        if not isinstance(outputs, Mapping):
            return
        losses = {name: self._value(runner, name, outputs[name]) for name in outputs if 'loss' in name}
        if all(map(math.isfinite, losses.values())):
            self._skipped = 0
            return
        terms = ', '.join(f'{name}={value:.6g}' for name, value in losses.items())
        where = f'iteration {runner.iter + 1}'
        if runner.max_epochs > 1:
            where += f' (epoch {runner.epoch + 1})'
        rates = sorted({rate for group in runner.optim_wrapper.get_lr().values() for rate in group})
        rate = ' to '.join(f'{rate:.3g}' for rate in dict.fromkeys((rates[0], rates[-1])))
        message = f'the loss of {where} is not finite: {terms}; learning rate {rate}; batch of {_files(data_batch)}'
        message += f'; {self._layer}' if self._layer else ''
        if self._skipped < _SKIPPED and _scales_loss(runner.optim_wrapper):
            self._skipped += 1
            self._layer = None
            runner.logger.warning(f'{message}. The loss scaler skips the step')
            return
        hint = '' if self.find_layer else '. default_hooks=dict(finite_loss=dict(find_layer=True)) names the layer'
        raise FloatingPointError(f'{message}: {_ADVICE}{hint}')

    @staticmethod
    def _value(runner: Runner, name: str, value: Any) -> float:
        """The copy that was logged, or the value itself without RuntimeInfoHook."""
        logged = runner.message_hub.log_scalars.get(f'train/{name}')
        return float(value if logged is None else logged.current())

    def _remember(self, model: nn.Module, args: tuple) -> None:
        """Keeps the state of the generators, so that masks and dropped paths can be drawn again."""
        self._random = [torch.get_rng_state(), *torch.cuda.get_rng_state_all()]

    def _look(self, model: nn.Module, args: tuple, kwargs: dict, losses: Any) -> None:
        """Repeats a forward pass whose losses are not finite: with the same weights, random numbers and precision."""
        if not isinstance(losses, Mapping) or _is_finite([losses[name] for name in losses if 'loss' in name]):
            return
        if not _is_finite([args, kwargs]):
            self._layer = 'the batch is not finite when it enters the model'
            return
        found: list[str] = []

        def look_at(name: str, module: nn.Module, output: Any) -> None:
            if not found and not _is_finite(output):
                found.append(f'the first output that is not finite is that of {name} ({type(module).__name__})')
                found.extend(
                    f'its {key} is not finite' for key, value in module.named_parameters() if not _is_finite(value)
                )

        inner = unwrap_model(model)
        handles = [
            module.register_forward_hook(lambda module, _, output, name=name: look_at(name, module, output))
            for name, module in inner.named_modules()
            if name
        ]
        try:
            with torch.no_grad(), torch.random.fork_rng(range(torch.cuda.device_count())):
                torch.set_rng_state(self._random[0])
                torch.cuda.set_rng_state_all(self._random[1:])
                inner.forward(*args, **kwargs)
        finally:
            for handle in handles:
                handle.remove()
        self._layer = ', '.join(found[:2]) or 'the outputs of all modules are finite'


_ADVICE = 'lower the learning rate, set optim_wrapper.clip_grad, or check the data'


def _tensors(value: Any) -> Iterator[Tensor]:
    """Floating point tensors in nested dicts and sequences."""
    if isinstance(value, Tensor):
        if value.is_floating_point():
            yield value
    elif isinstance(value, Mapping):
        yield from _tensors(list(value.values()))
    elif isinstance(value, list | tuple):
        for part in value:
            yield from _tensors(part)


def _is_finite(value: Any) -> bool:
    return all(bool(tensor.isfinite().all()) for tensor in _tensors(value))


def _not_finite(checkpoint: Mapping[str, Any], model: nn.Module) -> str:
    """Says what is not finite in a checkpoint: in parameters NaN and infinity, elsewhere NaN (masks hold infinity)."""
    parameters = {name for name, _ in unwrap_model(model).named_parameters()}
    for name, where, tensor in _checkpoint_tensors(checkpoint):
        is_parameter = name.removeprefix('module.') in parameters
        if bad := int((~tensor.isfinite() if is_parameter else tensor.isnan()).sum()):
            return f'{bad} of {tensor.numel()} values of {name}{where} are not finite'
    return ''


def _checkpoint_tensors(checkpoint: Mapping[str, Any]) -> Iterator[tuple[str, str, Tensor]]:
    """Name, part and value of weights, averaged weights and the state of the optimizer."""
    parts = {'': checkpoint.get('state_dict', checkpoint), ' of the EMA': checkpoint.get('ema_state_dict')}
    optimizer = checkpoint.get('optimizer')
    states = optimizer.get('state') if isinstance(optimizer, Mapping) else None
    for number, state in states.items() if isinstance(states, Mapping) else ():
        parts[f' of parameter {number} in the optimizer'] = state
    for where, part in parts.items():
        for name, value in part.items() if isinstance(part, Mapping) else ():
            yield from ((str(name), where, tensor) for tensor in _tensors(value))


def _files(data_batch: Any) -> str:
    """Names of the files of a batch, as far as the metainfo of its samples has them."""
    samples = data_batch.get('data_samples') if isinstance(data_batch, Mapping) else None
    names = []
    for sample in samples if isinstance(samples, Sequence) else ():
        metainfo = getattr(sample, 'metainfo', {})
        names += [str(metainfo[key]) for key in _FILES if metainfo.get(key) is not None][:1]
    return ', '.join(dict.fromkeys(names)) or 'samples without names'


def _scales_loss(optim_wrapper: OptimWrapper | OptimWrapperDict) -> bool:
    """Whether steps with infinite gradients are skipped."""
    wrappers = optim_wrapper.values() if isinstance(optim_wrapper, OptimWrapperDict) else [optim_wrapper]
    return any(wrapper.loss_scaler.is_enabled() for wrapper in wrappers if hasattr(wrapper, 'loss_scaler'))

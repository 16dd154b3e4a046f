"""Parameters, gradients and optimizer states sharded over processes, for models that are too large for each GPU."""

import copy
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import torch
from mmengine._strategy import FSDPStrategy as MMEngineFSDPStrategy
from mmengine.device import get_device
from mmengine.dist import is_main_process
from mmengine.optim import OptimWrapper, build_optim_wrapper
from torch import Tensor, nn
from torch.distributed.fsdp import FullyShardedDataParallel
from torch.distributed.fsdp.wrap import ModuleWrapPolicy

from mmhvt.engine.durable import UNFINISHED, rename_durably
from mmhvt.migrate.whole import WRAPPED, Purpose, ReviseKeys, fit_checkpoint
from mmhvt.registry import STRATEGIES

# what FSDP and torch's CheckpointWrapper insert into names
_INSERTED = re.compile(r'_fsdp_wrapped_module\.|_checkpoint_wrapped_module\.')


@STRATEGIES.register_module()
class FSDPStrategy(MMEngineFSDPStrategy):
    """MMEngine's FullyShardedDataParallel strategy, which trains like DDP and has the same checkpoints.

    Each transformer block is sharded separately, that is, each module in a ModuleList `blocks`, as in our backbones, in
    the decoder of :class:`~mmhvt.models.MAE` and in UniFormerV2's fusion. Differences from MMEngine's:

    - The optimizer has the parameter groups of the whole model. MMEngine's optimizer constructors see shards, which all
      have one axis and other names, so that `flat_decay_mult`, `custom_keys` and layer decay go wrong.
    - `clip_grad` measures the norm of all shards, not only of those of one process.
    - A checkpoint is one file, the same as DDP's, so that a run may resume with either strategy and another number of
      processes. It is renamed when it is whole, and read into host memory.
    - A file for `load_from` or to resume is compared, converted and resized as without FSDP:
      :func:`mmhvt.migrate.whole.fit_checkpoint`.
    - Processes on CPUs work.

    Args:
        model_wrapper: Options of :class:`mmengine.model.MMFullyShardedDataParallel`: `auto_wrap_policy` in place of
            blocks, `sharding_strategy='SHARD_GRAD_OP'` or 'HYBRID_SHARD', `mixed_precision`, `cpu_offload`. Defaults to
            None.
        **kwargs: Options of :class:`mmengine._strategy.DDPStrategy`, which FlexibleRunner passes.
    """

    def __init__(self, *, model_wrapper: dict | None = None, **kwargs: Any) -> None:
        super().__init__(**kwargs | dict(state_dict_cfg='full'))
        if get_device() == 'cpu':  # FSDP frees what it moves to the memory where it already is (PyTorch 2.11)
            self.state_dict_config.offload_to_cpu = False
            self.optim_state_dict_config.offload_to_cpu = False
        self.model_wrapper: dict[str, Any] = dict(model_wrapper or {})
        self._purpose: Purpose | None = None

    def _wrap_model(self, model: nn.Module) -> nn.Module:
        """Shards a model. A copy without values is kept for its names and shapes.

        Raises:
            ValueError: If there is only one process.
        """
        if not self.distributed:
            raise ValueError('FSDPStrategy shards a model over processes: bash tools/dist_train.sh CONFIG GPUS')
        values = {id(p): nn.Parameter(p.detach().to('meta'), p.requires_grad) for p in model.parameters()}
        self._whole = copy.deepcopy(model, values)
        lists = [module for name, module in model.named_modules() if name.rpartition('.')[2] == 'blocks']
        blocks = [block for each in lists for block in each.children()]
        in_blocks = {parameter for block in blocks for parameter in block.parameters()}
        # Frozen parameters in one shard with others would have gradients, too, and so would all that follows the stem.
        frozen = [p for p in model.parameters() if not p.requires_grad and p not in in_blocks]
        for parameter in frozen:
            parameter.data = parameter.data.to(get_device())
        options = dict(auto_wrap_policy=ModuleWrapPolicy({type(block) for block in blocks}), ignored_states=frozen)
        if get_device() == 'cpu':
            options['device_id'] = torch.device('cpu')
        self.model_wrapper = options | self.model_wrapper
        return super()._wrap_model(model)

    def build_optim_wrapper(self, optim_wrapper: dict, model: FullyShardedDataParallel) -> OptimWrapper:
        """Builds the optimizer of the whole model, and makes it update the shards."""
        cfg: dict[str, Any] = {'type': 'OptimWrapper'} | dict(optim_wrapper)
        if cfg['type'] == 'AmpOptimWrapper':
            cfg.setdefault('use_fsdp', True)
        wrapper = build_optim_wrapper(self._whole, cfg)
        names = {parameter: name for name, parameter in self._whole.named_parameters()}
        shards = {_INSERTED.sub('', name): shard for name, shard in model.named_parameters()}
        groups = wrapper.optimizer.param_groups
        self.whole_parameters = [parameter for group in groups for parameter in group['params']]
        self._names = [names[parameter] for parameter in self.whole_parameters]
        for group in groups:
            group['params'] = [shards[names[parameter]] for parameter in group['params']]
        if wrapper.clip_grad_kwargs and wrapper.clip_func is nn.utils.clip_grad_norm_:
            wrapper.clip_func = lambda _, **options: model.clip_grad_norm_(**options)
        return wrapper

    def optim_state_dict(self) -> dict[str, Any]:
        """State of the whole optimizer by parameter number, as in DDP. On ranks other than 0, it lacks tensors."""
        found = FullyShardedDataParallel.optim_state_dict(self.model, self.optim_wrapper.optimizer)
        state = self.optim_wrapper.state_dict()
        numbers = {name: number for number, name in enumerate(self._names)}
        state['state'] = {numbers[name]: value for name, value in found.get('state', {}).items()}
        return state

    def load_optim_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Loads each process's shards of the state of a whole optimizer."""
        named = {
            'state': {self._names[number]: value for number, value in state_dict['state'].items()},
            'param_groups': [
                dict(group, params=[self._names[number] for number in group['params']])
                for group in state_dict['param_groups']
            ],
        }
        optimizer = self.optim_wrapper.optimizer
        shards = FullyShardedDataParallel.optim_state_dict_to_load(self.model, optimizer, named)
        self.optim_wrapper.load_state_dict({**state_dict, **shards})

    def load_model_state_dict(
        self, state_dict: Mapping[str, Tensor], *, strict: bool = False, revise_keys: ReviseKeys = WRAPPED
    ) -> None:
        """Loads each process's shards of whole weights, except those of another shape, such as for other classes."""
        for pattern, replacement in revise_keys:
            state_dict = {re.sub(pattern, replacement, name): value for name, value in state_dict.items()}
        shapes = {name: value.shape for name, value in self._whole.state_dict().items()}
        fitting = {name: value for name, value in state_dict.items() if value.shape == shapes.get(name, value.shape)}
        self.model.load_state_dict(fitting, strict=strict)

    def load_checkpoint(
        self, filename: str, *, callback: Callable[[dict], None] | None = None, **kwargs: Any
    ) -> dict[str, Any]:
        """Loads weights from a file that fits the model.

        Raises:
            ValueError: If it does not fit.
        """
        trains = hasattr(self, 'optim_wrapper')

        def fit(checkpoint: dict) -> None:
            fit_checkpoint(self._whole, checkpoint, filename, self._purpose or ('train' if trains else 'test'))
            if callback is not None:
                callback(checkpoint)

        # by default, FlexibleRunner loads into GPU memory, which has no room for all of it
        return super().load_checkpoint(filename, callback=fit, **kwargs | dict(map_location='cpu'))

    def resume(self, filename: str, **kwargs: Any) -> dict[str, Any]:
        """Resumes from a checkpoint of FSDP or DDP.

        Raises:
            ValueError: If it does not belong to the same model.
        """
        self._purpose = 'resume'
        return super().resume(filename, **kwargs)

    def save_checkpoint(self, filename: str, **kwargs: Any) -> None:
        """Writes one file, whose name always has the old content or the new, whole. All processes take part."""
        if '://' in filename:
            super().save_checkpoint(filename, **kwargs)
            return
        super().save_checkpoint(filename + UNFINISHED, **kwargs)
        if is_main_process():
            rename_durably(Path(filename + UNFINISHED), Path(filename))

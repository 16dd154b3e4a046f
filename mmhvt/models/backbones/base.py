"""The contract of all backbones: sizes, outputs, freezing, loading, and the one loop over their blocks.

Shapes: N batch, C channels, T frames, H height, W width, L tokens.
"""

import math
import warnings
from bisect import bisect_left
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from itertools import accumulate
from numbers import Integral
from typing import Any, Literal, TypeVar, cast, get_args

import torch
from mmengine.model import BaseModule, ModuleList
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm
from torch.utils.checkpoint import checkpoint

from mmhvt import migrate
from mmhvt.migrate.loadable import LoadableBackbone
from mmhvt.models.layers import StageMap, channels_first, channels_last, is_hooked, is_traced
from mmhvt.utils import check_choice, check_options, split_pretrained
from mmhvt.utils.option_configs import InitCfg
from mmhvt.utils.option_types import Count, Index, Recomputed, Size, Strides

State = TypeVar('State')

# modules and parameters before the first block
STEM = ('patch_embed', 'patch_norm', 'pos_embed', 'cls_token', 'pre_norm')
# checked by `freeze`, whose message can name the stages
FrozenStages = Any
OutType = Literal['featmap', 'avg_featmap', 'cls_token', 'raw']
OUT_TYPES = get_args(OutType)


@check_options
class Backbone(LoadableBackbone, BaseModule):
    """A backbone for images (N, C, H, W) or video (N, C, T, H, W).

    Its blocks are grouped into stages; in a plain ViT each layer is a stage of its own (`unit`).

    Args:
        input_size: (H, W) or (T, H, W) in pixels and frames. Its length decides between images and video. Other sizes
            work at run time if the patch stride divides them.
        patch_stride: Stride of the patch embedding per axis.
        depths: Number of blocks in each stage.
        out_indices: Stages to return; negative indices count from the last.
        out_type: 'featmap' (N, C, [T,] H, W), 'avg_featmap' (N, C), 'raw' tokens (N, L, C) or, with a class token,
            'cls_token' (N, C).
        has_cls_token: Whether a class token precedes the others.
        frozen_stages: Parts without gradients that stay in evaluation mode: -1 for none, 0 for the patch embedding with
            positions and class token, n for the first n stages as well. Output norms are trained. Defaults to -1.
        with_cp: Whether to recompute activations of blocks in the backward pass, or a list of the stages to do so in,
            numbered as in `out_indices`. Defaults to False.
        as_tuple: Whether to return a tuple, which mmpretrain, mmdet and mmseg expect, or the tensor of a single output,
            which mmaction2's heads expect. Defaults to True.
        init_cfg: MMEngine's initialization config. `dict(type='Pretrained', checkpoint=…)` loads any file that
            :mod:`mmhvt.migrate` knows, and fails rather than load half of it.

    Hooks on `stage_maps[i]` see the output of stage i as a map (N, C, [T,] H, W), whatever `out_type` is: see
    :class:`~mmhvt.models.layers.StageMap`. If the output is a class token, the map of the last stage is the input of
    its last block, after which the class token no longer attends to patches.

    Raises:
        ValueError: For a size, stage or output type that the backbone does not have.
    """

    # what `out_indices` and `frozen_stages` count, for messages
    unit = 'stage'
    # how image kernels are inflated to video: 'center' or 'mean'
    inflation = 'center'
    # channels of each stage's output, to compare `in_channels` of other parts with; a family may leave them out
    stage_dims: Sequence[int] = ()

    init_cfg: dict | list | None
    blocks: ModuleList

    def __init__(
        self,
        *,
        input_size: Size,
        patch_stride: Strides,
        depths: Sequence[Count],
        out_indices: Index | Sequence[Index],
        out_type: OutType,
        has_cls_token: bool = False,
        frozen_stages: FrozenStages = -1,
        with_cp: Recomputed = False,
        as_tuple: bool = True,
        init_cfg: InitCfg = None,
    ):
        super().__init__(init_cfg)
        self.name = type(self).__name__
        self.has_cls_token, self.frozen_stages = has_cls_token, frozen_stages
        self.input_size, self.patch_stride = self._check_size(input_size, patch_stride)
        self.token_grid(self.input_size)
        self.last_blocks = [end - 1 for end in accumulate(depths)]  # per stage
        check_choice(self.name, 'out_type', out_type, [t for t in OUT_TYPES if t != 'cls_token' or has_cls_token])
        self.out_type = out_type
        self.out_indices = self._check_indices('out_indices', out_indices)
        if isinstance(with_cp, Sequence):
            self.recomputed_stages = self._check_indices('with_cp', with_cp)
        else:
            self.recomputed_stages = list(range(len(depths))) if with_cp else []
        if not as_tuple and len(self.out_indices) > 1:
            raise ValueError(
                f'{self.name}: as_tuple=False returns one tensor, but out_indices={out_indices} names several'
            )
        self.as_tuple = as_tuple
        # blocks after the last output do not run
        self.num_active_blocks = self.last_blocks[self.out_indices[-1]] + 1
        self.stage_maps = nn.ModuleList(StageMap() for _ in depths)
        self._warned_of_hooks = False

    def _check_size(self, size: Sequence[int], stride: Sequence[int]) -> tuple[tuple[int, ...], tuple[int, ...]]:
        if len(size) != len(stride):
            raise ValueError(
                f'{self.name}: input_size={tuple(size)} with patches of {tuple(stride)}: '
                'both must be (H, W) for images or (T, H, W) for video'
            )
        return tuple(size), tuple(stride)

    def _check_indices(self, name: str, given: int | Sequence[int]) -> list[int]:
        count = len(self.last_blocks)
        indices = [int(i) for i in (given if isinstance(given, Sequence) else [given])]
        if not indices:
            raise ValueError(f'{self.name}: {name}={given} names no {self.unit}')
        wrong = [i for i in indices if not -count <= i < count]
        if wrong:
            raise ValueError(f'{self.name}: {name} {wrong}: there are {self.unit}s 0 to {count - 1}')
        found = sorted(i % count for i in indices)
        if len(set(found)) < len(found):
            raise ValueError(f'{self.name}: {name}={given} names a {self.unit} twice')
        return found

    def check_axes(self, patch_kernel: Sequence[int], patch_padding: Sequence[int], **others: Sequence[int]) -> None:
        """Check settings that have one number per axis.

        Raises:
            ValueError: If one has more or fewer axes than `input_size`, or if kernel and padding of the patch
                embedding do not give one token per stride.
        """
        for key, value in dict(patch_kernel=patch_kernel, patch_padding=patch_padding, **others).items():
            if len(value) != len(self.input_size):
                raise ValueError(f'{self.name}: {key} {value} needs {len(self.input_size)} numbers, like input_size')
        gaps = [k - 2 * p for k, p in zip(patch_kernel, patch_padding, strict=True)]
        if any(not 0 < gap <= stride for gap, stride in zip(gaps, self.patch_stride, strict=True)):
            raise ValueError(
                f'{self.name}: patch_kernel {patch_kernel} with patch_padding {patch_padding} does not give one token '
                f'per stride {self.patch_stride}: kernel - 2 * padding must lie between 1 and the stride'
            )

    # ------------------------------------------------------------------------------------------------------- grids

    def token_grid(self, size: Sequence[int]) -> tuple[int, ...]:
        """Tokens per axis of an input of `size` frames and pixels.

        Raises:
            ValueError: If the patch stride does not divide the size; names the nearest size that would do.
        """
        size = tuple(size)
        if len(size) != len(self.input_size):
            kind = 'images (N, C, H, W)' if len(self.input_size) == 2 else 'video (N, C, T, H, W)'
            raise ValueError(f'{self.name} was built for {kind} with input_size={self.input_size}, got size {size}')
        if any(n < s or n % s for n, s in zip(size, self.patch_stride, strict=True)):
            nearest = tuple(max(1, round(n / s)) * s for n, s in zip(size, self.patch_stride, strict=True))
            # batches of mmdet's detectors have the size of their largest images
            padding = f', and so would pad_size_divisor={math.lcm(*self.patch_stride)} in the data_preprocessor'
            raise ValueError(
                f'{self.name}: the patch stride {self.patch_stride} does not divide an input of {size}; '
                f'{nearest} would do{padding if len(size) == 2 else ""}'
            )
        return tuple(n // s for n, s in zip(size, self.patch_stride, strict=True))

    def input_grid(self, x: Tensor) -> tuple[int, ...]:
        """Token grid of an input (N, C, [T,] H, W).

        Warns once about hooks outside `stage_maps`, which see no map, if gradients flow in evaluation mode, as with
        Grad-CAM tools.

        Raises:
            ValueError: See :meth:`token_grid`.
        """
        if torch.is_grad_enabled() and not (self.training or self._warned_of_hooks or is_traced()):
            self._warn_of_hooks()
        return self.token_grid(x.shape[2:])

    def stage_stride(self, stage: int) -> tuple[int, ...]:
        """Stride per axis of a stage's tokens relative to the patch embedding's; 1 in a plain ViT."""
        return (1,) * len(self.patch_stride)

    @property
    def out_strides(self) -> list[tuple[int, ...]]:
        """Stride per axis, in frames and pixels, of each output as a feature map."""
        return [
            tuple(patch * pool for patch, pool in zip(self.patch_stride, self.stage_stride(stage), strict=True))
            for stage in self.out_indices
        ]

    @property
    def out_channels(self) -> list[int]:
        """Channels of each output; empty if the family does not define them."""
        return [self.stage_dims[stage] for stage in self.out_indices] if self.stage_dims else []

    # ------------------------------------------------------------------------------------------------------ forward

    def run_stages(self, state: State, stages: Sequence[int] | None = None) -> list[tuple[int, State]]:
        """Run the blocks up to the last output.

        Args:
            state: What a family hands from block to block, such as (tokens, grid).
            stages: Stages whose states to return. Defaults to `out_indices`.

        Returns:
            list[tuple[int, State]]: Each of `stages` with the state after it.
        """
        states = []
        for stage in range(self.out_indices[-1] + 1):
            first = self.last_blocks[stage - 1] + 1 if stage else 0
            *others, last = (self.blocks[index] for index in range(first, self.last_blocks[stage] + 1))
            # the class token attends to no patch after its last block, so the map is that block's input
            map_is_input = self.out_type == 'cls_token' and stage == self.out_indices[-1]
            for block in others:
                state = self.step(block, state)
            state = self.step(last, self.route_map(stage, state)) if map_is_input else self.step(last, state)
            state = self.finish_stage(stage, state)
            state = self.after_map(stage, state if map_is_input else self.route_map(stage, state))
            if stage in (self.out_indices if stages is None else stages):
                states.append((stage, state))
            if stage < self.out_indices[-1]:
                state = self.transition(stage, state)
        return states

    def step(self, block: Any, state: Any) -> Any:
        """Run one block."""
        raise NotImplementedError

    def run_block(self, block: nn.Module, x: Tensor, *args: Any) -> Any:
        """Run `block(x, *args)`; under `with_cp`, the backward pass recomputes its activations."""
        if not (block.recomputed and x.requires_grad):
            return block(x, *args)
        norms = [module for module in block.modules() if isinstance(module, _BatchNorm) and module.track_running_stats]
        # compiled graphs support no contexts, and recompute nothing that has side effects
        if not norms or torch.compiler.is_compiling():
            return checkpoint(block, x, *args, use_reentrant=False)
        return checkpoint(block, x, *args, use_reentrant=False, context_fn=lambda: (nullcontext(), _same_batch(norms)))

    def finish_stage(self, stage: int, state: Any) -> Any:
        """Layers at the end of a stage that belong to no block; the stage's map is their output."""
        return state

    def after_map(self, stage: int, state: Any) -> Any:
        """Layers that read a stage's output in parallel with the next stage."""
        return state

    def transition(self, stage: int, state: Any) -> Any:
        """Layers between a stage and the next."""
        return state

    def route_map(self, stage: int, state: Any) -> Any:
        """Send a stage's tokens through `stage_maps[stage]` if that is hooked."""
        raise NotImplementedError

    def show_map(self, stage: int, tokens: Tensor) -> Tensor:
        """Send tokens (N, [T,] H, W, C) through `stage_maps[stage]` as a map."""
        maps = channels_first(tokens)
        if torch.is_grad_enabled() and not (self.training or maps.requires_grad):
            maps.requires_grad_()  # tools ask for gradients of maps of frozen stages, too
        return channels_last(self.stage_maps[stage](maps))

    def format_output(self, tokens: Tensor) -> Tensor:
        """A stage's tokens (N, [T,] H, W, C) in the shape of `out_type`."""
        if self.out_type == 'featmap':
            # mmcv's RoIAlign assumes contiguous maps, and convolutions keep the layout of their input
            return channels_first(tokens).contiguous()
        return tokens.flatten(1, -2) if self.out_type == 'raw' else tokens.flatten(1, -2).mean(1)

    def pack(self, outs: Iterable[Tensor]) -> tuple[Tensor, ...] | Tensor:
        """What `forward` returns: a tuple of the outputs or, with `as_tuple=False`, the only output."""
        outs = tuple(outs)
        return outs if self.as_tuple else outs[0]

    def _warn_of_hooks(self) -> None:
        maps = ('', 'patch_embed.proj')
        for name, module in self.named_modules():
            if is_hooked(module) and name not in maps and not isinstance(module, StageMap):
                self._warned_of_hooks = True
                warnings.warn(
                    f'{self.name}: a hook on {name} sees tokens, whose order and axes are not those of a map. Point '
                    f'tools that draw maps, such as Grad-CAM, at stage_maps.0 to '
                    f'stage_maps.{len(self.stage_maps) - 1}, one for each {self.unit}: docs/guides/visualization.md',
                    stacklevel=2,
                )
                return

    # ------------------------------------------------------------------------------------------------ initialization

    def init_weights(self) -> None:
        """Initialize as the paper or `init_cfg` says, then load checkpoints of `init_cfg`.

        Raises:
            ValueError: If a checkpoint does not fit.
        """
        init_cfg = self.init_cfg
        others, pretrained = split_pretrained(init_cfg)
        self.init_cfg = others or self.paper_init_cfg()
        super().init_weights()
        self.init_cfg = init_cfg
        for cfg in pretrained:
            migrate.load_backbone(self, cfg['checkpoint'], prefix=cfg.get('prefix', 'backbone.'))

    def paper_init_cfg(self) -> list[dict]:
        """Initialization of the paper as MMEngine's `init_cfg`."""
        raise NotImplementedError

    def get_layer_depth(self, param_name: str, prefix: str = '') -> tuple[int, int]:
        """Layer of a parameter, for layer-wise learning rate decay (mmpretrain's contract).

        Args:
            param_name: Full name of the parameter.
            prefix: Prefix of the backbone's parameters, such as 'backbone.'.

        Returns:
            tuple[int, int]: Layer id and number of layers. The id is 0 for embeddings, i + 1 for block i, and the last
            for the final norm and everything after the backbone.
        """
        num_layers = len(self.blocks) + 2
        if param_name.startswith(prefix):
            name = param_name[len(prefix) :]
            if name.split('.')[0] in STEM:
                return 0, num_layers
            if name.startswith('blocks.'):
                return int(name.split('.')[1]) + 1, num_layers
        return num_layers - 1, num_layers

    @property
    def num_extra_tokens(self) -> int:
        """Number of class tokens before the others, 0 or 1 (mmpretrain's contract)."""
        return int(self.has_cls_token)

    # ------------------------------------------------------------------------------------------------------ freezing

    def freeze(self, *unused: nn.Module | nn.Parameter | None) -> None:
        """Freeze `frozen_stages` and what no output depends on; to be called at the end of a constructor.

        DistributedDataParallel would wait for gradients of parameters that no output depends on. This also marks the
        blocks that are recomputed.

        Args:
            *unused: Unused parts other than the blocks after the last output.

        Raises:
            ValueError: If `frozen_stages` is not a number of stages; names the range.
        """
        count, stages = len(self.last_blocks), self.frozen_stages
        if isinstance(stages, bool) or not isinstance(stages, Integral) or not -1 <= int(stages) <= count:
            raise ValueError(
                f'{self.name}: frozen_stages={stages!r}: choose from -1 (nothing), 0 (the patch embedding) and 1 to '
                f'{count} (that many {self.unit}s as well)'
            )
        for index, block in enumerate(self.blocks):
            block.recomputed = bisect_left(self.last_blocks, index) in self.recomputed_stages
        for part in (*self.blocks[self.num_active_blocks :], *unused, *self.frozen_parts()):
            if part is not None:
                part.requires_grad_(False)

    def frozen_parts(self) -> list[nn.Module | nn.Parameter]:
        """Modules and parameters that `frozen_stages` names."""
        stages = self.frozen_stages
        if stages < 0:
            return []
        num_blocks = self.last_blocks[stages - 1] + 1 if stages else 0
        blocks = [self.blocks] if num_blocks == len(self.blocks) else self.blocks[:num_blocks]
        parts = [*(getattr(self, name, None) for name in STEM), *blocks, *self.transitions(stages)]
        return [part for part in parts if part is not None]

    def transitions(self, stages: int) -> Iterable[nn.Module]:
        """Modules of the transitions after the first `stages` stages."""
        return ()

    def train(self, mode: bool = True) -> 'Backbone':
        """Set the mode; frozen parts stay in evaluation mode."""
        super().train(mode)
        for part in self.frozen_parts():
            if isinstance(part, nn.Module):
                part.eval()
        return self


@contextmanager
def _same_batch(norms: Sequence[_BatchNorm]) -> Iterator[None]:
    """Leaves running statistics unchanged, since recomputation sees the same batch again."""
    momenta = [norm.momentum for norm in norms]
    counts = [cast(Tensor, norm.num_batches_tracked).clone() for norm in norms]
    for norm in norms:
        norm.momentum = 0.0
    try:
        yield
    finally:
        for norm, momentum, count in zip(norms, momenta, counts, strict=True):
            norm.momentum = momentum
            cast(Tensor, norm.num_batches_tracked).copy_(count)


class HierarchicalBackbone(Backbone):
    """A backbone whose stages differ in resolution and channels, with a norm for each output."""

    def stage_stride(self, stage: int) -> tuple[int, ...]:
        """Stride per axis of a stage's tokens relative to the patch embedding's."""
        raise NotImplementedError

    def norm_name(self, stage: int) -> str:
        """Name of the norm of a stage's output: `norm` for the last, as classifiers have it, else `norm<stage>`."""
        return 'norm' if stage == len(self.last_blocks) - 1 else f'norm{stage}'

    def optional_part(self, name: str) -> str | None:
        """Norms of inner stages, which classifiers lack."""
        part = name.split('.')[0]
        return part if part in {self.norm_name(stage) for stage in range(len(self.last_blocks) - 1)} else None

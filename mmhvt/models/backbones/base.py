"""What every backbone of this package promises, once."""

import math
import warnings
from collections.abc import Iterable, Sequence

import torch
from mmengine.model import BaseModule
from torch import Tensor, nn

from mmhvt import migrate
from mmhvt.models.layers import StageMap, channels_first, channels_last, is_hooked

# what families have before the first block
STEM = ('patch_embed', 'patch_norm', 'pos_embed', 'cls_token', 'pre_norm')
OUT_TYPES = ('featmap', 'avg_featmap', 'cls_token', 'raw')


def choose_arch(arch: str | dict, zoo: dict[str, dict], name: str, presets: Iterable[str] = ()) -> dict:
    """The architecture `arch` of `zoo`, or the dict itself if it has the same keys.

    Args:
        arch: Name or dict.
        zoo: Architectures by name.
        name: The model's, for messages.
        presets: Further names that messages list.

    Raises:
        ValueError: If the name or the keys are not known; lists the right ones.
    """
    keys = set(next(iter(zoo.values())))
    if isinstance(arch, dict):
        if set(arch) != keys:
            raise ValueError(f'{name}: arch as a dict needs the keys {sorted(keys)}, got {sorted(arch)}')
        return arch
    if arch not in zoo:
        names = ', '.join([*zoo, *presets])
        raise ValueError(f'{name} has no arch {arch!r}: choose from {names}, or give a dict of {sorted(keys)}')
    return zoo[arch]


class HierarchicalBackbone(BaseModule):
    """A backbone of stages for images (N, C, H, W) or video (N, C, T, H, W).

    Args:
        input_size: (H, W) or (T, H, W) in pixels and frames. Its length says which of the two the model takes;
            other sizes work at run time as far as the patch stride divides them.
        patch_stride: Per axis.
        num_stages: Stages there are to choose `out_indices` from.
        out_indices: Stages to return, negative ones count from the last.
        out_type: 'featmap' (N, C, [T,] H, W), 'avg_featmap' (N, C), 'raw' tokens (N, L, C) or, in families
            that have one, 'cls_token' (N, C).
        frozen_stages: What takes no gradients and stays in evaluation mode: 0 the patch embedding with positions and
            class token, n so many stages as well, with what leads to the next; -1 nothing. Norms of outputs train.
            Families whose stages are single layers or one alone count layers (`freezes_layers`).
        init_cfg: MMEngine's. `dict(type='Pretrained', checkpoint=…)` takes any file that
            :mod:`mmhvt.migrate` knows, and fails rather than load half of it.

    `stage_maps[i]` is where the output of stage i can be hooked as a map (N, C, [T,] H, W), whatever `out_type` is:
    :class:`~mmhvt.models.layers.StageMap`. Where a class token is the output, the last stage's is what its last block
    takes in: behind it, the class token looks at no patch any more.

    Raises:
        ValueError: For a size, stage or output type that is not to be had.
    """

    has_cls_token = False
    # `frozen_stages` counts layers, as mmpretrain's plain ViTs do
    freezes_layers = False
    # how kernels of images become kernels of video: 'centre' or 'mean' (:mod:`mmhvt.migrate.fit`)
    inflation = 'centre'

    def __init__(
        self,
        input_size: Sequence[int],
        patch_stride: Sequence[int],
        num_stages: int,
        out_indices: int | Sequence[int],
        out_type: str,
        init_cfg: dict | list | None = None,
        frozen_stages: int = -1,
    ):
        super().__init__(init_cfg)
        self.name = type(self).__name__
        self.frozen_stages = frozen_stages
        self.stage_maps = nn.ModuleList(StageMap() for _ in range(num_stages))
        self._warned_of_hooks = False
        if isinstance(input_size, int):
            raise ValueError(f'{self.name}: input_size={input_size} is (H, W) for images or (T, H, W) for video')
        if len(input_size) not in (2, 3) or len(input_size) != len(patch_stride):
            raise ValueError(
                f'{self.name}: input_size {tuple(input_size)} with patch_stride {tuple(patch_stride)}: '
                'both are (H, W) for images or (T, H, W) for video'
            )
        self.input_size, self.patch_stride = tuple(input_size), tuple(patch_stride)
        self.token_grid(self.input_size)
        out_types = [t for t in OUT_TYPES if t != 'cls_token' or self.has_cls_token]
        if out_type not in out_types:
            raise ValueError(f'{self.name}: out_type {out_type!r}: choose from {", ".join(out_types)}')
        self.out_type = out_type
        indices = [out_indices] if isinstance(out_indices, int) else list(out_indices)
        if not indices:
            raise ValueError(f'{self.name}: out_indices={out_indices} names no stage')
        wrong = [i for i in indices if not -num_stages <= i < num_stages]
        if wrong:
            raise ValueError(f'{self.name}: out_indices {wrong}: there are stages 0 to {num_stages - 1}')
        self.out_indices = sorted(i % num_stages for i in indices)

    def check_axes(self, patch_kernel: Sequence[int], patch_padding: Sequence[int], **others: Sequence[int]) -> None:
        """Checks settings that have one number an axis.

        Raises:
            ValueError: If one has more or fewer axes than `input_size`, or if kernel and padding of the patch
                embedding do not give one token for each stride.
        """
        for key, value in dict(patch_kernel=patch_kernel, patch_padding=patch_padding, **others).items():
            if len(value) != len(self.input_size):
                raise ValueError(f'{self.name}: {key} {value} needs {len(self.input_size)} numbers, as input_size has')
        gaps = [k - 2 * p for k, p in zip(patch_kernel, patch_padding, strict=True)]
        if any(not 0 < gap <= stride for gap, stride in zip(gaps, self.patch_stride, strict=True)):
            raise ValueError(
                f'{self.name}: patch_kernel {patch_kernel} with patch_padding {patch_padding} does not give one token '
                f'for each stride {self.patch_stride}: kernel - 2 * padding has to lie between 1 and the stride'
            )

    def token_grid(self, size: Sequence[int]) -> tuple[int, ...]:
        """Tokens per axis of an input of `size` frames and pixels.

        Raises:
            ValueError: If the patch stride does not divide the size; names the nearest that would do.
        """
        size = tuple(size)
        if len(size) != len(self.input_size):
            kind = 'images (N, C, H, W)' if len(self.input_size) == 2 else 'video (N, C, T, H, W)'
            raise ValueError(f'{self.name} was built for {kind} by input_size={self.input_size}, got a size of {size}')
        if any(n < s or n % s for n, s in zip(size, self.patch_stride, strict=True)):
            nearest = tuple(max(1, round(n / s)) * s for n, s in zip(size, self.patch_stride, strict=True))
            # batches of mmdet's detectors have the size of their largest images
            padding = f', and so would pad_size_divisor={math.lcm(*self.patch_stride)} of a data_preprocessor'
            raise ValueError(
                f'{self.name}: the patch stride {self.patch_stride} does not divide an input of {size}; '
                f'{nearest} would do{padding if len(size) == 2 else ""}'
            )
        return tuple(n // s for n, s in zip(size, self.patch_stride, strict=True))

    @property
    def out_strides(self) -> list[tuple[int, ...]]:
        """Frames and pixels from one token to the next, per axis, of each output as a feature map."""
        return [
            tuple(patch * pool for patch, pool in zip(self.patch_stride, self.pooling(stage), strict=True))
            for stage in self.out_indices
        ]

    def pooling(self, stage: int) -> tuple[int, ...]:
        """Tokens of the patch embedding that one of a stage's stands for, per axis; one in plain ViTs."""
        return (1,) * len(self.patch_stride)

    def init_weights(self) -> None:
        """The paper's initialisation, or `init_cfg`; a checkpoint goes on top of either.

        Raises:
            ValueError: If a checkpoint is another model's.
        """
        cfgs = self.init_cfg or []
        cfgs = [cfgs] if isinstance(cfgs, dict) else list(cfgs)
        pretrained = [cfg for cfg in cfgs if cfg['type'] == 'Pretrained']
        self.init_cfg = [cfg for cfg in cfgs if cfg['type'] != 'Pretrained'] or self.paper_init_cfg()
        super().init_weights()
        self.init_cfg = cfgs
        for cfg in pretrained:
            migrate.load_backbone(self, cfg['checkpoint'], prefix=cfg.get('prefix', 'backbone.'))

    def paper_init_cfg(self) -> list[dict]:
        """Initialisation of the paper as MMEngine's `init_cfg`."""
        raise NotImplementedError

    def get_layer_depth(self, param_name: str, prefix: str = '') -> tuple[int, int]:
        """Which layer a parameter belongs to, for layer-wise learning rate decay (mmpretrain's contract).

        Args:
            param_name: The parameter's full name.
            prefix: What of it leads to this backbone, such as 'backbone.'.

        Returns:
            tuple[int, int]: Layer id and number of layers: 0 for embeddings, i + 1 for block i, the last for the
            final norm and for whatever stands behind the backbone.
        """
        num_layers = len(self.blocks) + 2
        if param_name.startswith(prefix):
            name = param_name[len(prefix) :]
            if name.startswith(('patch_embed.', 'pos_embed.', 'cls_token')):
                return 0, num_layers
            if name.startswith('blocks.'):
                return int(name.split('.')[1]) + 1, num_layers
        return num_layers - 1, num_layers

    @property
    def num_extra_tokens(self) -> int:
        """Class tokens in front of the others, 0 or 1 (mmpretrain's contract)."""
        return int(self.has_cls_token)

    def freeze_idle(self, modules: Iterable[nn.Module]) -> None:
        """Stops gradients of modules that no output depends on, for which DistributedDataParallel would wait."""
        for module in modules:
            module.requires_grad_(False)

    def freeze_stages(self) -> None:
        """Stops gradients of what `frozen_stages` names; for the end of a constructor.

        Raises:
            ValueError: If there are not so many stages; names the range.
        """
        kind, count = ('layers', len(self.blocks)) if self.freezes_layers else ('stages', len(self.last_blocks))
        stages = self.frozen_stages
        if isinstance(stages, bool) or not isinstance(stages, int) or not -1 <= stages <= count:
            raise ValueError(
                f'{self.name}: frozen_stages={stages!r}: -1 to {count} would do: -1 for nothing, 0 for the patch '
                f'embedding, more for so many {kind} as well'
            )
        for part in self.frozen_parts():
            part.requires_grad_(False)

    def frozen_parts(self) -> list[nn.Module | nn.Parameter]:
        """What `frozen_stages` names."""
        stages = self.frozen_stages
        if stages < 0:
            return []
        num_blocks = stages if self.freezes_layers or not stages else self.last_blocks[stages - 1] + 1
        blocks = [self.blocks] if num_blocks == len(self.blocks) else self.blocks[:num_blocks]
        parts = [*(getattr(self, name, None) for name in STEM), *blocks, *self.transitions(stages)]
        return [part for part in parts if part is not None]

    def transitions(self, stages: int) -> Iterable[nn.Module]:
        """What leads from each of the first `stages` to the next, if it belongs to no block."""
        return ()

    def train(self, mode: bool = True) -> 'HierarchicalBackbone':
        """Training mode, but for what is frozen."""
        super().train(mode)
        for part in self.frozen_parts():
            if isinstance(part, nn.Module):
                part.eval()
        return self

    def show_map(self, stage: int, tokens: Tensor) -> Tensor:
        """Tokens (N, [T,] H, W, C) of a stage, by way of its place in `stage_maps`."""
        maps = channels_first(tokens)
        if torch.is_grad_enabled() and not (self.training or maps.requires_grad):
            maps.requires_grad_()  # tools ask for the gradient of a map of frozen stages, too
        return channels_last(self.stage_maps[stage](maps))

    def input_grid(self, x: Tensor) -> tuple[int, ...]:
        """Token grid of an input (N, C, [T,] H, W).

        Warns once if hooks wait for something else than a map while gradients flow in evaluation mode, which is what
        tools for Grad-CAM do.

        Raises:
            ValueError: See :meth:`token_grid`.
        """
        traced = torch.compiler.is_compiling() or torch.jit.is_tracing()
        if torch.is_grad_enabled() and not (self.training or self._warned_of_hooks or traced):
            self._warn_of_hooks()
        return self.token_grid(x.shape[2:])

    def _warn_of_hooks(self) -> None:
        maps = ('', 'patch_embed.proj')
        for name, module in self.named_modules():
            if is_hooked(module) and name not in maps and not isinstance(module, StageMap):
                self._warned_of_hooks = True
                warnings.warn(
                    f'{self.name}: a hook on {name} sees tokens, whose order and axes are not those of a map. Tools '
                    f'that draw maps, such as those for Grad-CAM, are right on stage_maps.0 to '
                    f'stage_maps.{len(self.stage_maps) - 1}, one for each stage: docs/visualization.md',
                    stacklevel=2,
                )
                return

    def optional_part(self, name: str) -> str | None:
        """The part that a parameter belongs to if checkpoints may lack all of it: classifiers have no norms of inner
        stages. None for what has to be there.
        """
        return name.split('.')[0] if name.startswith(('norm0.', 'norm1.', 'norm2.')) else None

    def norm_name(self, stage: int) -> str:
        """Name of the norm of a stage's output: the last stage's is the one that classifiers have."""
        return 'norm' if stage == len(self.last_blocks) - 1 else f'norm{stage}'

    def format_output(self, tokens: Tensor) -> Tensor:
        """A stage's tokens (N, [T,] H, W, C) in the shape that `out_type` names."""
        if self.out_type == 'featmap':
            # mmcv's RoIAlign reads memory as if maps were laid out so, and convolutions keep what they are given
            return channels_first(tokens).contiguous()
        return tokens.flatten(1, -2) if self.out_type == 'raw' else tokens.flatten(1, -2).mean(1)

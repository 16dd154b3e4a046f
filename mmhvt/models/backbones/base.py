"""What every backbone of this package promises, once."""

import math
from collections.abc import Iterable, Sequence

from mmengine.model import BaseModule
from torch import Tensor, nn

from mmhvt import migrate

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
        init_cfg: MMEngine's. `dict(type='Pretrained', checkpoint=…)` takes any file that
            :mod:`mmhvt.migrate` knows, and fails rather than load half of it.

    Raises:
        ValueError: For a size, stage or output type that is not to be had.
    """

    has_cls_token = False
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
    ):
        super().__init__(init_cfg)
        self.name = type(self).__name__
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

    def freeze_idle(self, modules: Iterable[nn.Module]) -> None:
        """Stops gradients of modules that no output depends on, for which DistributedDataParallel would wait."""
        for module in modules:
            module.requires_grad_(False)

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
            return tokens.movedim(-1, 1).contiguous()
        return tokens.flatten(1, -2) if self.out_type == 'raw' else tokens.flatten(1, -2).mean(1)

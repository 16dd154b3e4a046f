"""Masked auto-encoding of images and video with a hierarchical encoder.

"Hiera: A Hierarchical Vision Transformer without the Bells-and-Whistles", https://arxiv.org/abs/2306.00989, sections 3
and 4.

Shapes: N batch, C channels, T frames, H height, W width, K visible mask units, M masked tokens.
"""

import math
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Annotated, Any

import torch
import torch.nn.functional as F
from mmpretrain.models import BaseSelfSupervisor
from torch import Tensor, nn

from mmhvt.models.backbones.masking import MaskedBackbone
from mmhvt.models.layers import as_numbers
from mmhvt.registry import MODELS
from mmhvt.utils import split_pretrained
from mmhvt.utils.lazy import is_sharded
from mmhvt.utils.option_configs import InitCfg, TokenNorm
from mmhvt.utils.option_types import Range, Says

from .decoder import MAEDecoder
from .fusion import MultiScaleFusion
from .mask import count_visible, draw_visible, masked_tokens
from .target import normalize, pixel_patches

# section 4; the paper does not give the width, which is that of He et al., "Masked Autoencoders Are Scalable Vision
# Learners", https://arxiv.org/abs/2111.06377
DECODER = dict(embed_dims=512, depth=8, num_heads=16, mlp_ratio=4.0)
LINEAR_INIT: list[dict[str, Any]] = [
    dict(type='Xavier', layer='Linear', distribution='uniform'),
    dict(type='Constant', layer='LayerNorm', val=1.0),
]

MaskRatio = Annotated[
    float,
    Range(0, 1, above=True, below=True),
    Says(': the share of mask units to delete must be between 0 and 1'),
]


@MODELS.register_module()
class MAE(BaseSelfSupervisor):
    """Masked auto-encoder with an SMViT (Hiera) encoder, or an MViT's, for mmpretrain.

    Mask units of 32×32 pixels, in video over one time step, are deleted before the encoder. The stages of the encoder
    are fused, and a small transformer with mask tokens for the deleted units predicts their pixels.

    Inputs are images (N, C, H, W), clips (N, C, T, H, W), or (N, clips, C, T, H, W) from mmaction's pipelines and
    ActionDataPreprocessor, where each clip or crop of a video has a mask of its own. Checkpoints have the trained
    encoder as `backbone.…`.

    Args:
        backbone: Config of :class:`~mmhvt.models.SMViT`, or of :class:`~mmhvt.models.MViT` with `mask_unit_size`, which
            pools mask units separately (figure 4d); the public models pool twice (`q_pool=2`). Its `out_indices` and
            `out_type` apply to :meth:`extract_feat`. Its final norm is left out, since the fusion has one.
        mask_ratio: Share of mask units to delete (table 3b): 0.6 for images, 0.9 for video. Defaults to 0.6.
        multi_scale: Whether to fuse all stages rather than take the last one (table 3a). Defaults to True.
        decoder: Options of the decoder that differ from the defaults: embed_dims 512, depth 8, num_heads 16,
            mlp_ratio 4.
        norm_pix: Whether to normalize the target pixels of each patch to mean 0 and variance 1. Defaults to True.
        keep_masked: Whether to keep masked units in the encoder, with a learned mask token in place of each of their
            tokens (figure 4c), for comparison. Costs as much as a dense encoder. Defaults to False.
        norm_cfg: Config of the norms of fusion and decoder. Defaults to LayerNorm with eps 1e-6.
        data_preprocessor: Config. Defaults to mmpretrain's SelfSupDataPreprocessor.
        init_cfg: MMEngine's initialization config.

    Raises:
        ValueError: For a mask ratio that masks no unit or all, mask units that do not divide the input size, or decoder
            options that do not fit.

    Example:
        >>> model = MAE(dict(type='mmhvt.SMViT', arch='base', input_size=(16, 224, 224), q_pool=2), mask_ratio=0.9)
        >>> prediction, target, masked = model.reconstruct(torch.rand(1, 3, 16, 224, 224))
        >>> prediction.shape  # 353 of 392 units of 2×2 tokens; 16×16 pixels of 3 channels
        torch.Size([1, 1412, 768])
    """

    def __init__(
        self,
        backbone: dict | nn.Module,
        mask_ratio: MaskRatio = 0.6,
        multi_scale: bool = True,
        decoder: dict = DECODER,
        norm_pix: bool = True,
        keep_masked: bool = False,
        norm_cfg: TokenNorm = dict(type='LN', eps=1e-6),
        data_preprocessor: dict | nn.Module | None = None,
        init_cfg: InitCfg = None,
    ):
        if data_preprocessor is None or isinstance(data_preprocessor, dict):
            # with its scope: the model may be built where another package's scope is the default
            data_preprocessor = dict(type='mmpretrain.SelfSupDataPreprocessor') | (data_preprocessor or {})
        super().__init__(backbone, data_preprocessor=data_preprocessor, init_cfg=init_cfg)
        encoder = self.backbone
        has_units = isinstance(encoder, MaskedBackbone) and encoder.mask_unit_size
        if not has_units or encoder.num_active_blocks < len(encoder.blocks):
            raise ValueError(
                'MAE: the backbone must be mmhvt.SMViT, or mmhvt.MViT with mask_unit_size, and have its last stage '
                f'in out_indices, got {type(encoder).__name__}'
            )
        unknown = sorted(set(decoder) - set(DECODER))
        if unknown:
            raise ValueError(f'MAE: the decoder has no {", ".join(unknown)}: choose from {", ".join(DECODER)}')
        self.mask_ratio, self.norm_pix = mask_ratio, norm_pix
        unit, counts = encoder.pooled_unit, encoder.unit_grid(encoder.input_size)
        count_visible(math.prod(counts), mask_ratio)

        # stages to fuse: those before a pooling, and the last
        self.stages = [*(range(encoder.q_pool) if multi_scale else ()), -1]
        dims = encoder.stage_dims
        self.fusion = MultiScaleFusion(
            in_dims=[dims[stage] for stage in self.stages[:-1]],
            strides=[[s ** (encoder.q_pool - stage) for s in encoder.q_stride] for stage in self.stages[:-1]],
            out_dims=dims[-1],
            norm_cfg=norm_cfg,
            init_cfg=LINEAR_INIT,
        )
        # frames and pixels of a token of the decoder
        self.patch = tuple(p * s**encoder.q_pool for p, s in zip(encoder.patch_stride, encoder.q_stride, strict=True))
        self.decoder = MAEDecoder(
            in_dims=dims[-1],
            out_dims=encoder.patch_embed.proj.in_channels * math.prod(self.patch[-2:]),
            grid=[c * u for c, u in zip(counts, unit, strict=True)],
            unit=unit,
            with_mask_token=not keep_masked,
            norm_cfg=norm_cfg,
            init_cfg=LINEAR_INIT,
            **DECODER | decoder,
        )
        self.mask_token = nn.Parameter(torch.zeros(dims[0])) if keep_masked else None

        # nothing would train the final norm, and checkpoints must not have it: fine-tuning starts with a new one
        encoder.norm = nn.Identity()
        others, pretrained = split_pretrained(encoder.init_cfg)
        encoder.init_cfg = [*(others or self._encoder_init_cfg()), *pretrained]

    def _encoder_init_cfg(self) -> list[dict]:
        """Initialization as in MAE, with the patch embedding initialized like a linear layer."""
        conv = self.backbone.patch_embed.proj
        bound = math.sqrt(6 / (conv.weight[0].numel() + conv.out_channels))
        return [
            *LINEAR_INIT,
            dict(type='Uniform', layer=['Conv2d', 'Conv3d'], a=-bound, b=bound),
            dict(type='TruncNormal', layer='Pooling', std=0.02),  # as MViTv2's
        ]

    def init_weights(self) -> None:
        """Initialize linear layers with Xavier, tokens and position embeddings from a normal of std 0.02."""
        if self.mask_token is not None:
            nn.init.trunc_normal_(self.mask_token, std=0.02)
        super().init_weights()

    def clips(self, inputs: Tensor) -> Tensor:
        """(N, clips, C, [T,] H, W) -> (N · clips, C, [T,] H, W); inputs without an axis of clips stay as they are."""
        return inputs.flatten(0, 1) if inputs.ndim == len(self.patch) + 3 else inputs

    def extract_feat(self, inputs: Tensor) -> tuple[Tensor, ...]:
        """Features of unmasked inputs, as the backbone returns them."""
        return self.backbone(self.clips(inputs))

    def encode(self, inputs: Tensor, visible: Tensor) -> tuple[Tensor, ...]:
        """All stages of the encoder on the visible mask units; see :meth:`MaskedBackbone.forward_units`."""
        if is_sharded(self.backbone):
            with _called_as_forward(self.backbone.module, 'forward_units'):
                return self.backbone(inputs, visible, self.mask_token)
        return self.backbone.forward_units(inputs, visible, self.mask_token)

    def reconstruct(
        self, inputs: Tensor, visible: Tensor | None = None, generator: torch.Generator | None = None
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Predict the pixels of masked units.

        Args:
            inputs: Images or clips (N, C, [T,] H, W).
            visible: Mask units to keep, (N, K) row-major indices over the grid of mask units. Drawn by default.
            generator: Source of randomness, on the device of the inputs. Defaults to torch's global generator.

        Returns:
            tuple: Prediction (N, M, values), target (N, M, values), and the masked tokens, (N, M) row-major indices
            over the grid of tokens of `self.patch` frames and pixels. For the values of a token see
            :func:`~mmhvt.models.selfsup.target.pixel_patches`.

        Raises:
            ValueError: If mask units do not divide the size.
        """
        counts = self.backbone.unit_grid(as_numbers(inputs.shape[2:]))
        if visible is None:
            visible = draw_visible(inputs.shape[0], math.prod(counts), self.mask_ratio, inputs.device, generator)
        masked = masked_tokens(visible, counts, self.decoder.unit)
        stages = self.encode(inputs, visible)
        prediction = self.decoder(self.fusion([stages[i] for i in self.stages]), visible, masked, counts)
        target = pixel_patches(inputs, self.patch)
        target = target.gather(1, masked[:, :, None].expand(-1, -1, target.shape[2]))
        return prediction, normalize(target) if self.norm_pix else target, masked

    def loss(self, inputs: Tensor, data_samples: list | None = None, visible: Tensor | None = None) -> dict:
        """Mean squared error over the pixels of masked units, `dict(loss=…)`; see :meth:`reconstruct`."""
        prediction, target, _ = self.reconstruct(self.clips(inputs), visible)
        if not inputs.shape[0]:
            return dict(loss=prediction.float().sum())  # zero, where the mean of nothing is not a number
        return dict(loss=F.mse_loss(prediction.float(), target.float()))


@contextmanager
def _called_as_forward(module: nn.Module, method: str) -> Iterator[None]:
    """Have `module()` call another method: FSDP gathers the parameters of what it wraps in `__call__` only."""
    module.forward = getattr(module, method)
    try:
        yield
    finally:
        del module.forward

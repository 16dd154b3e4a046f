"""Masked auto-encoding of images and video with a hierarchical encoder (papers/smvit, sections 3 and 4)."""

import math

import torch
import torch.nn.functional as F
from mmpretrain.models import BaseSelfSupervisor
from torch import Tensor, nn

from mmhvt.models.backbones import SMViT
from mmhvt.models.layers import as_numbers
from mmhvt.registry import MODELS

from .decoder import MAEDecoder
from .fusion import MultiScaleFusion
from .mask import count_visible, draw_visible, masked_tokens
from .target import normalise, pixel_patches

# section 4; the width is He et al.'s (2022), whom the paper follows where it is silent
DECODER = dict(embed_dims=512, depth=8, num_heads=16, mlp_ratio=4.0)
LINEAR_INIT = [
    dict(type='Xavier', layer='Linear', distribution='uniform'),
    dict(type='Constant', layer='LayerNorm', val=1.0),
]


@MODELS.register_module()
class MAE(BaseSelfSupervisor):
    """Masked auto-encoder with an SMViT encoder, for mmpretrain.

    Mask units of 32×32 pixels, in video of one token in time, are deleted before the encoder. The stages of what is
    left are fused, a small transformer fills the gaps with mask tokens and predicts the pixels of the masked units.

    Inputs are images (N, C, H, W), clips (N, C, T, H, W), or (N, M, C, T, H, W) as mmaction's pipelines and its
    ActionDataPreprocessor give: M clips or crops of a video, each masked on its own. The trained encoder is
    `backbone.…` of the checkpoint.

    Args:
        backbone: Config of :class:`SMViT`; the public models pool twice (`q_pool=2`). Its `out_indices` and `out_type`
            count for :meth:`extract_feat` alone, and its final norm, which the fusion's replaces, is left out.
        mask_ratio: Share of mask units to delete: 0.6 for images, 0.9 for video (table 3b).
        multi_scale: Fuse all stages rather than take the last alone (table 3a).
        decoder: embed_dims, depth, num_heads and mlp_ratio of the decoder; those left out have their defaults: 512,
            8, 16 and 4.
        norm_pix: Targets of mean 0 and variance 1 in each patch rather than pixels.
        keep_masked: Keep masked units in the encoder, each token a learned one (figure 4c): what deleting them is
            compared with. Costs as much as a dense encoder.
        norm_cfg: Config of the norms of fusion and decoder.
        data_preprocessor: Config, by default mmpretrain's SelfSupDataPreprocessor.
        init_cfg: MMEngine's.

    Raises:
        ValueError: For a mask ratio that is no share or masks none or all, mask units that do not divide the input
            size, or decoder settings that do not fit.

    Example:
        >>> model = MAE(dict(type='mmhvt.SMViT', arch='base', input_size=(16, 224, 224), q_pool=2), mask_ratio=0.9)
        >>> prediction, target, masked = model.reconstruct(torch.rand(1, 3, 16, 224, 224))
        >>> prediction.shape  # 353 of 392 units of 2×2 tokens; 16×16 pixels of 3 channels
        torch.Size([1, 1412, 768])
    """

    def __init__(
        self,
        backbone: dict | nn.Module,
        mask_ratio: float = 0.6,
        multi_scale: bool = True,
        decoder: dict = DECODER,
        norm_pix: bool = True,
        keep_masked: bool = False,
        norm_cfg: dict = dict(type='LN', eps=1e-6),
        data_preprocessor: dict | nn.Module | None = None,
        init_cfg: dict | list | None = None,
    ):
        if data_preprocessor is None or isinstance(data_preprocessor, dict):
            # with its scope: the model may be built where another package's is the default
            data_preprocessor = dict(type='mmpretrain.SelfSupDataPreprocessor') | (data_preprocessor or {})
        super().__init__(backbone, data_preprocessor=data_preprocessor, init_cfg=init_cfg)
        encoder = self.backbone
        if not isinstance(encoder, SMViT) or encoder.num_running < len(encoder.blocks):
            raise ValueError(
                'MAE: the backbone has to be mmhvt.SMViT with its last stage in out_indices, got '
                f'{type(encoder).__name__}'
            )
        unknown = sorted(set(decoder) - set(DECODER))
        if unknown:
            raise ValueError(f'MAE: the decoder has no {", ".join(unknown)}: choose from {", ".join(DECODER)}')
        self.mask_ratio, self.norm_pix = mask_ratio, norm_pix
        unit, counts = encoder.pooled_unit, encoder.unit_grid(encoder.input_size)
        count_visible(math.prod(counts), mask_ratio)

        # which stages to fuse: those before a pooling, and the last
        self.stages = [*(range(encoder.q_pool) if multi_scale else ()), -1]
        dims = [encoder.blocks[last].attn.proj.out_features for last in encoder.last_blocks]
        self.fusion = MultiScaleFusion(
            [dims[stage] for stage in self.stages[:-1]],
            [[s ** (encoder.q_pool - stage) for s in encoder.q_stride] for stage in self.stages[:-1]],
            dims[-1],
            norm_cfg,
            init_cfg=LINEAR_INIT,
        )
        self.patch = tuple(
            p * s**encoder.q_pool for p, s in zip(encoder.patch_stride, encoder.q_stride, strict=True)
        )  # frames and pixels of a token of the decoder
        conv = encoder.patch_embed.proj
        self.decoder = MAEDecoder(
            dims[-1],
            conv.in_channels * math.prod(self.patch[-2:]),
            [c * u for c, u in zip(counts, unit, strict=True)],
            unit,
            with_mask_token=not keep_masked,
            norm_cfg=norm_cfg,
            init_cfg=LINEAR_INIT,
            **DECODER | decoder,
        )
        self.mask_token = nn.Parameter(torch.zeros(dims[0])) if keep_masked else None

        # nothing trains it, so checkpoints are not to have one: fine-tuning begins with a fresh one
        encoder.norm = nn.Identity()
        # where the config says nothing, begin as MAE does; the patch embedding like a linear layer
        bound = math.sqrt(6 / (conv.weight[0].numel() + conv.out_channels))
        own = [encoder.init_cfg] if isinstance(encoder.init_cfg, dict) else list(encoder.init_cfg or [])
        if all(cfg['type'] == 'Pretrained' for cfg in own):
            patches = dict(type='Uniform', layer=['Conv2d', 'Conv3d'], a=-bound, b=bound)
            encoder.init_cfg = [*LINEAR_INIT, patches, *own]

    def init_weights(self) -> None:
        """Linears as Xavier, uniform; tokens and position embeddings from a normal of standard deviation 0.02."""
        if self.mask_token is not None:
            nn.init.trunc_normal_(self.mask_token, std=0.02)
        super().init_weights()

    def clips(self, inputs: Tensor) -> Tensor:
        """(N, M, C, [T,] H, W) -> (N · M, C, [T,] H, W); as it is without an axis of clips."""
        return inputs.flatten(0, 1) if inputs.ndim == len(self.patch) + 3 else inputs

    def extract_feat(self, inputs: Tensor) -> tuple[Tensor, ...]:
        """What the backbone makes of unmasked inputs."""
        return self.backbone(self.clips(inputs))

    def reconstruct(
        self, inputs: Tensor, visible: Tensor | None = None, generator: torch.Generator | None = None
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Predicts the pixels of masked units.

        Args:
            inputs: (N, C, [T,] H, W).
            visible: Units to keep, (N, K) row-major indices over the grid of mask units; None to draw them.
            generator: Draws them, on the device of the inputs; None for the global one.

        Returns:
            tuple: Prediction (N, M, values), target (N, M, values), and the places of both, (N, M) row-major
            indices over the grid of tokens of `self.patch` frames and pixels. Values of a token: see
            :func:`~mmhvt.models.selfsup.target.pixel_patches`.

        Raises:
            ValueError: If mask units do not divide the size.
        """
        counts = self.backbone.unit_grid(as_numbers(inputs.shape[2:]))
        if visible is None:
            visible = draw_visible(inputs.shape[0], math.prod(counts), self.mask_ratio, inputs.device, generator)
        masked = masked_tokens(visible, counts, self.decoder.unit)
        stages = self.backbone(inputs, visible, self.mask_token)
        prediction = self.decoder(self.fusion([stages[i] for i in self.stages]), visible, masked, counts)
        target = pixel_patches(inputs, self.patch)
        target = target.gather(1, masked[:, :, None].expand(-1, -1, target.shape[2]))
        return prediction, normalise(target) if self.norm_pix else target, masked

    def loss(self, inputs: Tensor, data_samples: list | None = None, visible: Tensor | None = None) -> dict:
        """Mean squared error over the pixels of masked units, `dict(loss=…)`; see :meth:`reconstruct`."""
        prediction, target, _ = self.reconstruct(self.clips(inputs), visible)
        return dict(loss=F.mse_loss(prediction.float(), target.float()))

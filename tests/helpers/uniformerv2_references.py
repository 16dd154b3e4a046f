"""Micro models of UniFormerV2 in mmaction2."""

import torch
from mmaction.models import UniFormerV2 as MMActionUniFormerV2

from helpers.references import randomize

SIDE, DEPTH = 64, 3
MMACTION = dict(
    input_resolution=SIDE, width=64, layers=4, heads=2, t_size=4, return_list=[1, 2, 3], n_layers=3, n_dim=64, n_head=2,
    mlp_dropout=[0.0] * 3, clip_pretrained=False,
)  # fmt: skip
LOCAL = dict(no_lmhra=False, double_lmhra=True)
MMACTION_CASES = {
    'defaults': dict(),
    'double local MHRA': LOCAL,
    'single local MHRA': dict(no_lmhra=False),
    'temporal downsampling': dict(LOCAL, temporal_downsample=True, t_size=8),
    'temporal downsampling alone': dict(temporal_downsample=True, t_size=8, kernel_size=5),
    'no reduction': dict(LOCAL, dw_reduction=1.0),
    'other blocks': dict(LOCAL, return_list=[0, 3], n_layers=2, n_head=4, mlp_factor=2.0, mlp_dropout=[0.0] * 2),
}


def mmaction_case(settings: dict) -> tuple[dict, torch.nn.Module]:
    """Config and reference of random weights and random statistics of BatchNorm."""
    config = MMACTION | settings
    reference = randomize(MMActionUniFormerV2(**config))
    for name, value in reference.named_buffers():  # statistics of BatchNorm
        if value.is_floating_point():
            value.copy_(torch.rand_like(value) + (0.5 if name.endswith('var') else 0.0))
    return config, reference

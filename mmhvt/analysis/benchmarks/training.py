"""Training steps beside those of mmaction2's, mmpretrain's and torchvision's models."""

import resource
import time
from typing import Any

import torch
from torch.utils._pytree import tree_leaves

from mmhvt.analysis.paper_models import UNIFORMERV2_ROWS

from .processes import alternate

# UniFormerV2 for Something-Something, in the words of mmaction2's class
_ALL_DESIGNS = dict(
    clip_pretrained=False,
    t_size=16,
    temporal_downsample=True,
    no_lmhra=False,
    double_lmhra=True,
    return_list=list(range(4, 12)),
    n_layers=8,
    mlp_dropout=[0.5] * 8,
)
STEPS = 2  # in each process; the first warms up

# case: (input shape, {model: (class, arguments)})
CASES: dict[str, tuple[tuple[int, ...], dict[str, tuple[str, dict[str, Any]]]]] = {
    'mvitv2-s-16x224': (
        (1, 3, 16, 224, 224),
        {
            'mmhvt': ('mmhvt.models.MViT', dict(arch='v2_small', with_cls_token=True)),
            'mmaction2': ('mmaction.models.MViT', dict(arch='small')),
        },
    ),
    'mvitv2-t-1024': (
        (1, 3, 1024, 1024),
        {
            'mmhvt': ('mmhvt.models.MViT', dict(arch='v2_tiny', input_size=(1024, 1024))),
            'mmhvt, windows': (
                'mmhvt.models.MViT',
                dict(arch='v2_tiny', input_size=(224, 224), window_size=56),
            ),
            'mmpretrain': ('mmpretrain.models.MViT', dict(arch='tiny', img_size=1024)),
        },
    ),
    'video-swin-t-32x224': (
        (1, 3, 32, 224, 224),
        {
            'mmhvt': ('mmhvt.models.VideoSwin', dict(arch='tiny')),
            'torchvision': ('torchvision.models.video.swin3d_t', {}),
            'mmaction2': ('mmaction.models.SwinTransformer3D', dict(arch='tiny')),
        },
    ),
    'uniformerv2-b16-8x224': (
        (1, 3, 8, 224, 224),
        {
            'mmhvt': ('mmhvt.models.UniFormerV2', dict(arch='base')),
            'mmaction2': ('mmaction.models.UniFormerV2', dict(clip_pretrained=False)),
        },
    ),
    'uniformerv2-b16-sthv2-16x224': (
        (1, 3, 16, 224, 224),
        {
            'mmhvt': (
                'mmhvt.models.UniFormerV2',
                dict(input_size=(16, 224, 224), **UNIFORMERV2_ROWS['uniformerv2-b16-sthv2-16f']),
            ),
            'mmaction2': ('mmaction.models.UniFormerV2', _ALL_DESIGNS),
        },
    ),
}


def build(path: str, kwargs: dict) -> torch.nn.Module:
    """A model by the path of its class."""
    module, name = path.rsplit('.', 1)
    return getattr(__import__(module, fromlist=[name]), name)(**kwargs)


def used(device: str) -> int:
    """Bytes at the peak so far."""
    if device == 'cuda':
        return torch.cuda.max_memory_allocated()
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def measure_step(case: str, name: str, device: str) -> dict:
    """Seconds and bytes of a training step, measured in this process."""
    shape, models = CASES[case]
    torch.manual_seed(0)
    model = build(*models[name]).to(device)
    model.train()  # mmpretrain's returns nothing
    x = torch.randn(shape, device=device)
    if device == 'cuda':
        torch.cuda.reset_peak_memory_stats()
    before, best = used(device), float('inf')
    for _ in range(STEPS):
        start = time.perf_counter()
        sum(out.sum() for out in tree_leaves(model(x))).backward()
        if device == 'cuda':
            torch.cuda.synchronize()
        best = min(best, time.perf_counter() - start)
        model.zero_grad(set_to_none=True)
    return dict(seconds=best, bytes=used(device) - before)


def compare(case: str, device: str, rounds: int) -> None:
    """Print a row for each model of a case.

    Args:
        case: Key of :data:`CASES`.
        device: 'cpu' or 'cuda'.
        rounds: Number of processes for each model.

    Raises:
        RuntimeError: If a model cannot be built or run.
    """
    shape, models = CASES[case]
    print(f'{case} on {device}, batch {shape}')
    first = None
    for name, found in alternate(measure_step, case, list(models), rounds, device).items():
        seconds, peak = min(r['seconds'] for r in found), min(r['bytes'] for r in found) / 2**20
        first = first or (seconds, peak)
        print(
            f'  {name:16} {seconds:8.2f} s ({seconds / first[0]:.2f} ×)   peak {peak:8.0f} MiB '
            f'({peak / first[1]:.2f} ×)'
        )

"""Steps of masked pre-training, masked units deleted beside masked units kept."""

import time

import torch
from torch.utils.flop_counter import FlopCounterMode

from mmhvt.analysis.complexity import FusedAttention
from mmhvt.models.selfsup import MAE
from mmhvt.models.selfsup.mask import draw_visible

from .processes import alternate

STEPS = 2  # in each process; the first warms up

# case: (input shape, {name: arguments of MAE}); the first is what the others are compared with
DELETED = {f'ratio {ratio}': dict(mask_ratio=ratio) for ratio in (0.6, 0.9)}
CASES = {
    'image': ((8, 3, 224, 224), {'kept': dict(mask_ratio=0.9, keep_masked=True)} | DELETED),
    'video': ((1, 3, 16, 224, 224), {'kept': dict(mask_ratio=0.9, keep_masked=True)} | DELETED),
}


def build(case: str, name: str, arch: str, device: str) -> tuple[MAE, torch.Tensor]:
    """The model of a row and its input."""
    shape, models = CASES[case]
    with torch.device(device):
        backbone = dict(type='mmhvt.SMViT', arch=arch, input_size=shape[2:], q_pool=2)
        return MAE(backbone, **models[name]).train(), torch.randn(shape)


def count(case: str, name: str, arch: str) -> tuple[float, float]:
    """Billions of multiply-adds of one sample: the encoder forward, the whole step forward and backward."""
    model, x = build(case, name, arch, 'meta')
    units = torch.Size(model.backbone.unit_grid(x.shape[2:])).numel()
    visible = draw_visible(len(x), units, model.mask_ratio, 'meta')
    counts = []
    for run in (
        lambda: model.backbone.forward_units(x, visible, model.mask_token),
        lambda: model.loss(x)['loss'].backward(),
    ):
        with FusedAttention(), FlopCounterMode(display=False) as counter:
            run()
        counts.append(counter.get_total_flops() / 2e9 / len(x))
    return tuple(counts)


def measure_step(case: str, name: str, arch: str, device: str) -> float:
    """Seconds of a training step of one sample, measured in this process."""
    torch.manual_seed(0)
    model, x = build(case, name, arch, device)
    best = float('inf')
    for _ in range(STEPS):
        start = time.perf_counter()
        model.loss(x)['loss'].backward()
        if device == 'cuda':
            torch.cuda.synchronize()
        best = min(best, time.perf_counter() - start)
        model.zero_grad(set_to_none=True)
    return best / len(x)


def compare(case: str, arch: str, device: str, rounds: int) -> None:
    """Print a row for each model of a case.

    Args:
        case: Key of :data:`CASES`.
        arch: Architecture of SMViT.
        device: 'cpu' or 'cuda'.
        rounds: Number of processes for each model.

    Raises:
        RuntimeError: If a model cannot be built or run.
    """
    shape, models = CASES[case]
    print(f'SMViT-{arch}, {case} on {device}, batch {shape}: of a sample')
    first = None
    for name, found in alternate(measure_step, case, list(models), rounds, arch, device).items():
        row = (*count(case, name, arch), min(found))
        first = first or row
        parts = [
            f'{what} {value:8.2f} {unit} (1 / {dense / value:.1f})'
            for what, unit, value, dense in zip(
                ('encoder', 'step', 'step'), ('GMAC', 'GMAC', 's'), row, first, strict=True
            )
        ]
        print(f'  {name:10}', '   '.join(parts))

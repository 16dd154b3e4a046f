"""Multiply-adds and time of a step of masked pre-training, masked units deleted beside masked units kept, in one run.

    python tools/analysis/bench_mae.py [CASE …] [--arch base] [--device cuda] [--rounds 2]

Kept, the encoder computes every token (papers/smvit, figure 4c); deleted, visible ones alone (figure 4e). The decoder
computes every token in both. Every measurement is a process of its own, in alternation; the weights do not matter, so
they are the random initial ones. A step is mask, loss, backward, without the optimizer; seconds are the best over all
rounds, one process warming up with a step. Multiply-adds are counted on the meta device, attention as Q Kᵀ and A V.
"""

import argparse
import json
import subprocess
import sys
import time
from pathlib import Path

import torch
from torch.utils.flop_counter import FlopCounterMode

from mmhvt.analysis.complexity import FusedAttention
from mmhvt.models import MAE
from mmhvt.models.backbones.smvit import ARCHS
from mmhvt.models.selfsup.mask import draw_visible

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
        lambda: model.backbone(x, visible, model.mask_token),
        lambda: model.loss(x)['loss'].backward(),
    ):
        with FusedAttention(), FlopCounterMode(display=False) as counter:
            run()
        counts.append(counter.get_total_flops() / 2e9 / len(x))
    return tuple(counts)


def step(case: str, name: str, arch: str, device: str) -> float:
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


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('cases', nargs='*', metavar='CASE', help=f'of {", ".join(CASES)} (default: all)')
    parser.add_argument('--arch', choices=list(ARCHS), default='base')
    parser.add_argument('--device', choices=('cpu', 'cuda'), default='cpu')
    parser.add_argument('--rounds', type=int, default=2, metavar='N')
    parser.add_argument('--model', help=argparse.SUPPRESS)  # of the process that measures
    args = parser.parse_args()
    unknown = [case for case in args.cases if case not in CASES]
    if unknown:
        parser.error(f'no case {", ".join(unknown)}: choose from {", ".join(CASES)}')
    if args.model:
        print(json.dumps(step(args.cases[0], args.model, args.arch, args.device)))
        return
    for case in args.cases or CASES:
        shape, models = CASES[case]
        print(f'SMViT-{args.arch}, {case} on {args.device}, batch {shape}: of a sample')
        seconds = {name: [] for name in models}
        for _ in range(args.rounds):
            for name, found in seconds.items():
                command = [sys.executable, Path(__file__), case, '--model', name]
                command += ['--arch', args.arch, '--device', args.device]
                done = subprocess.run([str(part) for part in command], capture_output=True, text=True)
                if done.returncode:
                    raise SystemExit(f'{name}: {(done.stderr.strip() or "killed").splitlines()[-1]}')
                found.append(json.loads(done.stdout.splitlines()[-1]))
        first = None
        for name, found in seconds.items():
            row = (*count(case, name, args.arch), min(found))
            first = first or row
            parts = [
                f'{what} {value:8.2f} {unit} (1 / {dense / value:.1f})'
                for what, unit, value, dense in zip(
                    ('encoder', 'step', 'step'), ('GMAC', 'GMAC', 's'), row, first, strict=True
                )
            ]
            print(f'  {name:10}', '   '.join(parts))


if __name__ == '__main__':
    main()

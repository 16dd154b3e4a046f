"""Time and peak memory of a training step beside those of mmaction2's and mmpretrain's models, in one run.

    python tools/analysis/bench_training.py [CASE …] [--device cuda] [--rounds 3]

Every model is a process of its own, in alternation; the weights do not matter, so they are the random initial ones. A
step is forward, sum of outputs, backward. Memory is what the process needs at its peak beyond what it held with the
model built and the input made: of the machine on a CPU, of PyTorch's allocator on a GPU. Seconds are the best over
all rounds.
"""

import argparse
import json
import resource
import subprocess
import sys
import time
from pathlib import Path

import torch
from torch.utils._pytree import tree_leaves

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
CASES = {
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
            'mmhvt': ('mmhvt.models.UniFormerV2', dict(arch='uniformerv2-b16-8f')),
            'mmaction2': ('mmaction.models.UniFormerV2', dict(clip_pretrained=False)),
        },
    ),
    'uniformerv2-b16-sthv2-16x224': (
        (1, 3, 16, 224, 224),
        {
            'mmhvt': ('mmhvt.models.UniFormerV2', dict(arch='uniformerv2-b16-sthv2-16f')),
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


def step(case: str, name: str, device: str) -> dict:
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


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('cases', nargs='*', metavar='CASE', help=f'of {", ".join(CASES)} (default: all)')
    parser.add_argument('--device', choices=('cpu', 'cuda'), default='cpu')
    parser.add_argument('--rounds', type=int, default=2, metavar='N')
    parser.add_argument('--model', help=argparse.SUPPRESS)  # of the process that measures
    args = parser.parse_args()
    unknown = [case for case in args.cases if case not in CASES]
    if unknown:
        parser.error(f'no case {", ".join(unknown)}: choose from {", ".join(CASES)}')
    if args.model:
        print(json.dumps(step(args.cases[0], args.model, args.device)))
        return
    for case in args.cases or CASES:
        print(f'{case} on {args.device}, batch {CASES[case][0]}')
        results = {name: [] for name in CASES[case][1]}
        for _ in range(args.rounds):
            for name, found in results.items():
                command = [sys.executable, Path(__file__), case, '--device', args.device, '--model', name]
                done = subprocess.run([str(part) for part in command], capture_output=True, text=True)
                if done.returncode:
                    raise SystemExit(f'{name}: {(done.stderr.strip() or "killed").splitlines()[-1]}')
                found.append(json.loads(done.stdout.splitlines()[-1]))
        first = None
        for name, found in results.items():
            seconds, peak = min(r['seconds'] for r in found), min(r['bytes'] for r in found) / 2**20
            first = first or (seconds, peak)
            print(
                f'  {name:16} {seconds:8.2f} s ({seconds / first[0]:.2f} ×)   peak {peak:8.0f} MiB '
                f'({peak / first[1]:.2f} ×)'
            )


if __name__ == '__main__':
    main()

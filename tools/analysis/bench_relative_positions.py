"""Times the two exact forms of decomposed relative positions on the attentions of MViTv2-S 16×224².

    python tools/analysis/bench_relative_positions.py [--device cuda --dtype float16]

'plain' is attention without positions, 'bias' gives the fused kernel an N×N tensor, 'extended' lengthens the heads
(mmhvt/models/layers/relative_position.py). Each row is one attention: forward, and forward with backward, in
milliseconds, the best of several turns in alternation; and the largest difference of outputs and gradients between the
two forms, relative to the largest value.
"""

import argparse

import torch

from mmhvt.analysis.benchmarks.relative_positions import ATTENTIONS, compare


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('--device', choices=('cpu', 'cuda'), default='cpu')
    parser.add_argument('--dtype', choices=('float32', 'float16', 'bfloat16'), default='float32')
    args = parser.parse_args()
    print(f'{args.device} {args.dtype}, ms: plain / bias / extended')
    print(f'{"attention":22}  {"forward":32}  {"forward and backward":32}  difference')
    for name in ATTENTIONS:
        print(compare(name, args.device, getattr(torch, args.dtype)))


if __name__ == '__main__':
    main()

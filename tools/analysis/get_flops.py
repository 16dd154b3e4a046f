"""Parameters, multiply-adds and activation memory of a config's model.

    python tools/analysis/get_flops.py CONFIG [--shape 16 224 224] [--cfg-options model.backbone.arch=large]

For recognizers of mmaction, classifiers of mmpretrain, and one-stage and two-stage detectors of mmdet, the latter
counted with as many boxes as their `test_cfg` lets through. Nothing is computed with values, so any size takes seconds
and no memory. `mim run mmhvt get_flops CONFIG` is the same.
"""

import argparse
import copy
from pathlib import Path

import torch
from mmengine.config import Config, DictAction
from mmengine.registry import MODELS, DefaultScope

from mmhvt.analysis.complexity import Complexity, complexity
from mmhvt.analysis.views import count_views


def measure(cfg: Config, shape: list[int] | None) -> tuple[tuple[int, ...], Complexity]:
    """The input shape ([T,] H, W) and what it costs.

    Raises:
        ValueError: If the config has no model or one that cannot be built, or if the model does not take the shape.
    """
    if 'model' not in cfg:
        raise ValueError('the config has no model')
    model_cfg = copy.deepcopy(cfg.model)
    # it has no part in this, and blends batches with distributions, which need values
    model_cfg.pop('data_preprocessor', None)
    try:
        with DefaultScope.overwrite_default_scope(cfg.get('default_scope', 'mmengine')), torch.device('meta'):
            model = MODELS.build(model_cfg)
    except KeyError as error:  # of a registry
        raise ValueError(error.args[0]) from None
    given, shape = shape, shape or getattr(getattr(model, 'backbone', None), 'input_size', None)
    if getattr(model, 'with_rpn', False) and not given:
        raise ValueError("the backbone's input_size is that of its pre-training: say --shape H W of the images")
    if shape is None:
        raise ValueError('the backbone has no input_size: say --shape T H W, or --shape H W for images')
    if len(shape) not in (2, 3):
        raise ValueError(f'--shape is T H W, or H W for images, not {" ".join(map(str, shape))}')
    try:
        return tuple(shape), complexity(model, (3, *shape))
    except (AssertionError, NotImplementedError) as error:  # of mmdet, which asks for boxes or queries
        raise ValueError(
            f'{type(model).__name__} does not run on images alone ({str(error) or type(error).__name__}), as '
            'recognizers, classifiers and one-stage and two-stage detectors do; its backbone alone would do'
        ) from None


def report(shape: tuple[int, ...], cost: Complexity, views: tuple[int, int] | None) -> str:
    """What there is to say, a line each."""

    def row(name: str, text: str) -> str:
        return f'{name:24}{text}'

    def giga(count: int) -> str:
        return f'{count / 1e9:.2f}' if count >= 1e9 else f'{count / 1e9:.3g}'

    lines = [
        row('input', ' x '.join(map(str, shape))),
        row('parameters', f'{cost.params / 1e6:.2f} M, {cost.trainable_params / 1e6:.2f} M trainable'),
        row('GFLOPs per view', f'{giga(cost.multiply_adds)} (multiply-adds)'),
        *(row(f'  {name}', giga(count)) for name, count in cost.by_operation.items()),
    ]
    whole = f'GFLOPs per {"video" if len(shape) == 3 else "image"}'
    if views is None:
        lines.append(row(whole, 'unknown: the config has no test pipeline'))
    else:
        clips, crops = views
        total = giga(cost.multiply_adds * clips * crops)
        lines.append(row(whole, f'{total} ({clips} clips x {crops} crops = {clips * crops} views)'))
    lines.append(row('activations per view', f'{sum(cost.activations.values()) / 2**20:.1f} MiB (training, fp32)'))
    return '\n'.join(lines + [row(f'  {name}', f'{size / 2**20:.1f}') for name, size in cost.activations.items()])


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('config', help='config file')
    parser.add_argument('--shape', nargs='+', type=int, metavar='N', help="T H W or H W (default: the backbone's)")
    parser.add_argument('--cfg-options', nargs='+', action=DictAction, metavar='KEY=VALUE', help='override settings')
    args = parser.parse_args()
    if not Path(args.config).is_file():
        raise SystemExit(f'{args.config}: no such config file')
    cfg = Config.fromfile(args.config)
    cfg.merge_from_dict(args.cfg_options or {})
    try:
        shape, cost = measure(cfg, args.shape)
    except ValueError as error:
        raise SystemExit(f'{args.config}: {error}') from None
    print(report(shape, cost, count_views(cfg)))


if __name__ == '__main__':
    main()

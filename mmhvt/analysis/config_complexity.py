"""Complexity of a config's model, and a table of it."""

import copy
from collections.abc import Sequence

import torch
from mmengine.config import Config
from mmengine.registry import MODELS, DefaultScope

from .complexity import Complexity, complexity


def measure_config(cfg: Config, shape: Sequence[int] | None = None) -> tuple[tuple[int, ...], Complexity]:
    """Parameters, multiply-adds and activation memory of a config's model.

    Args:
        cfg: Config with a model.
        shape: ([T,] H, W) of the input. Defaults to the backbone's `input_size`.

    Returns:
        The input shape and its costs.

    Raises:
        ValueError: If the config has no model or one that cannot be built, or if the model does not accept the shape.
    """
    if 'model' not in cfg:
        raise ValueError('the config has no model')
    model_cfg = copy.deepcopy(cfg.model)
    # it does not count, and may sample how to blend batches, which needs values
    model_cfg.pop('data_preprocessor', None)
    try:
        with DefaultScope.overwrite_default_scope(cfg.get('default_scope', 'mmengine')), torch.device('meta'):
            model = MODELS.build(model_cfg)
    except (KeyError, ImportError) as error:  # of a registry
        raise ValueError(error.args[0]) from None
    given, shape = shape, shape or getattr(getattr(model, 'backbone', None), 'input_size', None)
    if getattr(model, 'with_rpn', False) and not given:
        raise ValueError("the backbone's input_size is that of its pre-training: give --shape H W of the images")
    if shape is None:
        raise ValueError('the backbone has no input_size: give --shape T H W, or --shape H W for images')
    if len(shape) not in (2, 3) or min(shape) < 1:
        raise ValueError(f'--shape is T H W, or H W for images, not {" ".join(map(str, shape))}')
    try:
        return tuple(shape), complexity(model, (3, *shape))
    except (AssertionError, NotImplementedError) as error:  # of mmdet, which asks for boxes or queries
        raise ValueError(
            f'{type(model).__name__} does not run on images alone ({str(error) or type(error).__name__}), as '
            'recognizers, classifiers and one-stage and two-stage detectors do; its backbone alone would do'
        ) from None


def format_complexity(shape: tuple[int, ...], cost: Complexity, views: tuple[int, int] | None) -> str:
    """A table of the costs of an input.

    Args:
        shape: ([T,] H, W) of the input.
        cost: Its costs.
        views: Numbers of clips and crops in a test; None if unknown.
    """

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

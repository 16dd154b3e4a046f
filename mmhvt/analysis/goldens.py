"""Golden files: outputs of the papers' own code for fixed weights and inputs, compared with ours."""

import json
import zlib
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from mmengine.model import BaseModule
from torch import Tensor

from mmhvt import migrate
from mmhvt.registry import MODELS

TOLERANCE = 1e-3
# integer buffers, which a model computes itself
UNFILLED = ('num_batches_tracked', 'relative_position_index', 'attn_mask')


def weight_from_name(name: str, shape: Sequence[int]) -> Tensor:
    """The float32 tensor that a name and a shape stand for in golden files."""
    shape = tuple(shape)
    seed = zlib.crc32(name.encode()) & 0x7FFFFFFF
    x: np.ndarray = np.random.RandomState(seed).standard_normal(shape).astype(np.float32)
    leaf = name.rsplit('.', 1)[-1]
    if leaf == 'running_var':
        x = 0.5 + np.abs(x) * 0.5
    elif leaf == 'running_mean':
        x = 0.1 * x
    elif leaf == 'weight' and len(shape) == 1:  # scale of a norm
        x = 1.0 + 0.1 * x
    elif leaf in ('weight', 'in_proj_weight') and len(shape) > 1:
        x = x * (0.7 / (int(np.prod(shape[1:])) or 1) ** 0.5)
    else:  # biases, embeddings, tokens
        x = 0.05 * x
    return torch.from_numpy(np.ascontiguousarray(x))


def golden_weights(shapes: dict[str, Sequence[int]]) -> dict[str, Tensor]:
    """{name: shape} -> {name: tensor}."""
    return {name: weight_from_name(name, shape) for name, shape in shapes.items() if not name.endswith(UNFILLED)}


def golden_input(shape: Sequence[int]) -> Tensor:
    """Standard normal input of `shape`."""
    return torch.from_numpy(np.random.RandomState(0).standard_normal(tuple(shape)).astype(np.float32))


def build(cfg: dict, state_dict: dict[str, Tensor], prefix: str) -> BaseModule:
    """A model in eval mode with the parameters of `state_dict` that begin with `prefix`."""
    model = MODELS.build(cfg).eval()
    model.load_state_dict({name[len(prefix) :]: value for name, value in state_dict.items() if name.startswith(prefix)})
    return model


def recognition_outputs(cfg: dict, state_dict: dict[str, Tensor], x: Tensor, names: list[str]) -> dict[str, Tensor]:
    """Outputs of a backbone with a linear head.

    'logits'; 'tokens' (N, L, C) and 'feat' (N, C, [T,] H, W) of the last stage; 'stage1' … (N, [T,] H, W, C) and
    'scale2' … (N, C, [T,] H, W) of stages, which detection counts from 2.
    """
    outputs = {}
    if 'logits' in names:
        weight = state_dict['cls_head.fc_cls.weight']
        backbone = build(cfg, state_dict, 'backbone.')
        head_cfg = dict(type='mmhvt.RecognitionHead', num_classes=weight.shape[0], in_channels=weight.shape[1])
        outputs['logits'] = build(head_cfg, state_dict, 'cls_head.')(backbone(x))
    for name, out_type in dict(tokens='raw', feat='featmap').items():
        if name in names:
            (outputs[name],) = build(cfg | dict(out_type=out_type), state_dict, 'backbone.')(x)
    for kind, first in dict(stage=1, scale=2).items():
        stages = sorted(name for name in names if name.startswith(kind))
        if stages:
            indices = [int(name.removeprefix(kind)) - first for name in stages]
            backbone = build(cfg | dict(out_type='featmap', out_indices=indices), state_dict, 'backbone.')
            maps = [out.movedim(1, -1) if kind == 'stage' else out for out in backbone(x)]
            outputs |= dict(zip(stages, maps, strict=True))
    return outputs


def pretraining_outputs(cfg: dict, state_dict: dict[str, Tensor], x: Tensor, kept: list) -> dict[str, Tensor]:
    """Outputs of a masked auto-encoder whose visible mask units are `kept`: one list for all samples or one for each.

    'loss' (1,), 'pred' and 'label' (masked tokens of the batch, values).
    """
    model = build(cfg, state_dict, '')
    prediction, target, _ = model.reconstruct(x, torch.tensor(kept).expand(len(x), -1))
    loss = (prediction - target).square().mean()
    return dict(loss=loss[None], pred=prediction.flatten(0, 1), label=target.flatten(0, 1))


def difference(ours: Tensor, golden: dict) -> float:
    """Largest difference of shape-checked statistics and values, relative to the golden standard deviation.

    Raises:
        ValueError: If the shapes differ.
    """
    if list(ours.shape) != golden['shape']:
        raise ValueError(f'shape {list(ours.shape)}, golden {golden["shape"]}')
    flat = ours.detach().double().flatten()
    count = len(golden['first'])
    pairs = [
        (flat[:count], golden['first']),
        (flat[-count:], golden['last']),
        (flat.mean(), golden['mean']),
        (flat.std(unbiased=len(flat) > 1), golden['std']),
    ]
    scale = golden['std'] or abs(golden['mean'])
    # torch's max keeps a NaN, Python's loses it
    worst = torch.stack([(a - torch.tensor(b, dtype=torch.float64)).abs().max() for a, b in pairs]).max()
    return float(worst) / scale


def check(path: Path) -> dict[str, float]:
    """Difference of every output of a golden file.

    Raises:
        ValueError: If there is no way to compute the file's outputs.
    """
    golden = json.loads(path.read_text())
    source = migrate.golden_source(golden['source'])
    names = list(golden['outputs'])
    config, x = golden['config'], golden_input(golden['input_shape'])
    state_dict = source.state_dict(golden_weights(golden['state_dict']))
    with torch.inference_mode():
        if 'kept_mask_units' in config:
            outputs = pretraining_outputs(source.mae_cfg(config), state_dict, x, config['kept_mask_units'])
        else:
            outputs = recognition_outputs(source.backbone_cfg(config), state_dict, x, names)
    missing = sorted(set(names) - set(outputs))
    if missing:
        raise ValueError(f'no way yet to compute {", ".join(missing)}')
    return {name: difference(outputs[name], golden['outputs'][name]) for name in names}

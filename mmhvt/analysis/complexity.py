"""Parameters, multiply-adds and activation memory of a model, on the meta device: no values, no waiting.

Multiply-adds are counted by torch's `FlopCounterMode`. No library counts the activations that are kept for the backward
pass.
"""

import copy
from collections.abc import Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.autograd.graph import saved_tensors_hooks
from torch.overrides import TorchFunctionMode
from torch.utils.flop_counter import FlopCounterMode

from mmhvt.models.layers.reference import reference_math

if TYPE_CHECKING:  # models without detection need no mmdet
    from mmdet.models import TwoStageDetector

aten = torch.ops.aten
# operations that torch's counter knows, in the words of the papers
OPERATIONS = {
    aten.convolution: 'convolutions',
    aten._convolution: 'convolutions',
    aten.addmm: 'linear layers',
    aten.mm: 'linear layers',
    aten._scaled_dot_product_efficient_attention: 'attention',
    aten.bmm: 'other products',
    aten.baddbmm: 'other products',
}


@dataclass(frozen=True)
class Complexity:
    """What one input costs.

    Attributes:
        params: Parameters.
        trainable_params: Those that take gradients.
        multiply_adds: Multiply-adds of a forward pass, which the papers call FLOPs. Norms, activation functions,
            softmax, poolings by maximum or average and additions have none.
        by_operation: `multiply_adds` of 'linear layers', 'convolutions', 'attention' (Q Kᵀ and A V, where they go
            through scaled_dot_product_attention) and 'other products' of activations: relative positions with
            queries and keys.
        activations: Bytes that a forward pass in training keeps for the backward pass, by the part that keeps them:
            'patch embedding', 'stage 1' …, 'rest of the backbone', 'head', 'elsewhere'.
    """

    params: int
    trainable_params: int
    multiply_adds: int
    by_operation: dict[str, int]
    activations: dict[str, int]


class FusedAttention(TorchFunctionMode):
    """Attention on the meta device as the fused kernels of a GPU compute it.

    By default, torch decomposes attention there, so that the N×N matrix counts as kept for the backward pass. A fused
    kernel keeps queries, keys, values, output and one number per query.
    """

    def __torch_function__(self, func, types, args=(), kwargs=None):
        """Replaces scaled_dot_product_attention."""
        call = self.attention if func is F.scaled_dot_product_attention else func
        return call(*args, **(kwargs or {}))

    @staticmethod
    def attention(q, k, v, attn_mask=None, dropout_p=0.0, is_causal=False, scale=None):
        if attn_mask is not None:
            attn_mask = attn_mask.to(q.dtype).expand(*q.shape[:-1], k.shape[-2])
        return aten._scaled_dot_product_efficient_attention(
            q, k, v, attn_mask, True, dropout_p, is_causal, scale=scale
        )[0]


def detections(model: 'TwoStageDetector', x: Tensor) -> list:
    """Outputs of the parts of a two-stage detector for images (1, C, H, W) or a clip (1, C, T, H, W).

    Boxes depend on values, which the meta device lacks. Their number is the largest that `test_cfg` lets through: of
    proposals to the box heads, and of detections to the mask heads. Where boxes are given, it is one.

    Raises:
        ValueError: If the detector has other parts, whose cost would not be counted.
    """
    cfg = model.test_cfg or {}
    outputs, roi_head = [], model.roi_head
    others = {name for name, part in roi_head.named_children() if any(True for _ in part.parameters())}
    others -= {'bbox_head', 'mask_head'}
    if others:
        raise ValueError(
            f'{type(model).__name__} has a roi_head with {", ".join(sorted(others))}, whose cost is not known: only '
            'box heads and mask heads are counted; the backbone alone would do'
        )
    features = model.extract_feat(x)
    if model.with_rpn:
        outputs.append(model.rpn_head(features))
    for kind, counts in (('bbox', cfg.get('rpn')), ('mask', cfg.get('rcnn'))):
        head = getattr(roi_head, f'{kind}_head', None)
        if head is None:
            continue
        extractor = getattr(roi_head, f'{kind}_roi_extractor')
        heads = head if isinstance(head, nn.ModuleList) else [head]
        extractors = extractor if isinstance(extractor, nn.ModuleList) else [extractor] * len(heads)
        for head, extractor in zip(heads, extractors, strict=True):
            # one layer per level, or a single one for video
            layer = extractor.roi_layers[0] if hasattr(extractor, 'roi_layers') else extractor.roi_layer
            time = [1] if x.ndim == 5 else []
            count, channels = counts['max_per_img'] if counts else 1, features[0].shape[1]
            outputs.append(head(x.new_empty(count, channels, *time, *layer.output_size)))
    return outputs


def scores(model: nn.Module, x: Tensor) -> object:
    """Outputs of a model for inputs (N, C, [T,] H, W): the scores of mmaction's recognizers, the outputs of the parts
    of mmdet's two-stage detectors, else those of its forward pass.
    """
    extract = getattr(model, 'extract_feat', None)
    if extract is not None and hasattr(model, 'cls_head'):
        return extract(x[:, None], stage='head')[0]
    if hasattr(model, 'roi_head'):
        return detections(model, x)
    return model(x)


def one_input(model: nn.Module, shape: Sequence[int]) -> Tensor:
    """A batch of one on the meta device, in the dtype of the parameters."""
    return torch.empty(1, *shape, device='meta', dtype=next((p.dtype for p in model.parameters()), None))


def on_meta(model: nn.Module) -> nn.Module:
    """The model itself if it is on the meta device, else a copy there."""
    tensors = [*model.parameters(), *model.buffers()]
    return model if all(tensor.is_meta for tensor in tensors) else copy.deepcopy(model).to('meta')


@contextmanager
def training_mode(model: nn.Module, mode: bool):
    """Sets the model to training or evaluation mode within the context, and restores its mode afterwards."""
    before = {module: module.training for module in model.modules()}
    model.train(mode)
    try:
        yield
    finally:
        for module, was in before.items():
            module.training = was


def count_parameters(model: nn.Module) -> tuple[int, int]:
    """Numbers of parameters, and of those that take gradients."""
    params = list(model.parameters())
    return sum(p.numel() for p in params), sum(p.numel() for p in params if p.requires_grad)


def count_multiply_adds(model: nn.Module, input_shape: Sequence[int]) -> dict[str, int]:
    """Multiply-adds of one input, by operation.

    Attention counts as Q Kᵀ and A V whatever kernel computes it: relative position biases that a kernel takes as
    longer heads add no cost.

    Args:
        model: Model that :func:`scores` accepts.
        input_shape: (C, [T,] H, W).
    """
    model = on_meta(model)
    counter = FlopCounterMode(display=False)
    with training_mode(model, False), reference_math(), FusedAttention(), counter:
        scores(model, one_input(model, input_shape))
    counts: dict[str, int] = {}
    for operation, flops in counter.get_flop_counts()['Global'].items():
        name = OPERATIONS.get(operation, str(operation))
        counts[name] = counts.get(name, 0) + flops // 2
    return counts


def parts(model: nn.Module) -> dict[str, list[nn.Module]]:
    """The modules that make up each part of `activations`, in order; inner parts after those that contain them."""
    backbone = getattr(model, 'backbone', model)
    embed = getattr(backbone, 'patch_embed', None)
    found: dict[str, list[nn.Module]] = {'patch embedding': [] if embed is None else [embed]}
    blocks: Sequence[nn.Module] = getattr(backbone, 'blocks', ())
    first = 0
    for stage, last in enumerate(getattr(backbone, 'last_blocks', [])):
        found[f'stage {stage + 1}'] = list(blocks[first : last + 1])
        first = last + 1
    found['rest of the backbone'] = [backbone]
    heads = [getattr(model, name, None) for name in ('neck', 'cls_head', 'head', 'rpn_head')]
    # these are not called through the modules that contain them
    heads += getattr(model, 'roi_head', nn.Module()).modules()
    found['head'] = [head for head in heads if head is not None]
    return found


def activation_memory(model: nn.Module, input_shape: Sequence[int]) -> dict[str, int]:
    """Bytes that a forward pass of one input in training keeps for the backward pass, by part of the model.

    Every storage counts once, whole, where it is first kept; parameters and buffers do not count. Attention counts
    as in a fused kernel, in the dtype of the parameters.

    Args:
        model: Model that :func:`scores` accepts.
        input_shape: (C, [T,] H, W).
    """
    model = on_meta(model)
    kept = dict.fromkeys([*parts(model), 'elsewhere'], 0)
    where = ['elsewhere']
    # holds the storages themselves, since the address of a freed one may be used again
    seen = {x.untyped_storage()._cdata: x.untyped_storage() for x in [*model.parameters(), *model.buffers()]}

    def pack(x: Tensor) -> Tensor:
        storage = x.untyped_storage()
        if storage._cdata not in seen:
            seen[storage._cdata] = storage
            kept[where[-1]] += storage.nbytes()
        return x

    def leave(*_) -> None:
        where.pop()

    with ExitStack() as stack:
        for name, modules in parts(model).items():
            for module in modules:
                stack.enter_context(module.register_forward_pre_hook(lambda *_, name=name: where.append(name)))
                stack.enter_context(module.register_forward_hook(leave))
        for context in (training_mode(model, True), torch.enable_grad(), FusedAttention()):
            stack.enter_context(context)
        stack.enter_context(saved_tensors_hooks(pack, lambda x: x))
        scores(model, one_input(model, input_shape))
    return {name: size for name, size in kept.items() if size}


def complexity(model: nn.Module, input_shape: Sequence[int]) -> Complexity:
    """Parameters, multiply-adds and activation memory of one input.

    Args:
        model: A backbone, an mmaction recognizer, an mmpretrain classifier, a two-stage detector of mmdet or any
            module with one input tensor, on any device; it is not changed.
        input_shape: (C, [T,] H, W).

    Raises:
        ValueError: If the model does not accept the shape.
    """
    model = on_meta(model)
    params, trainable = count_parameters(model)
    by_operation = count_multiply_adds(model, input_shape)
    return Complexity(
        params, trainable, sum(by_operation.values()), by_operation, activation_memory(model, input_shape)
    )

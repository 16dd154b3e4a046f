"""Comparison with other implementations on the same weights."""

import math
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from mmhvt.models import RecognitionHead
from mmhvt.registry import MODELS

CLASSES = 7
# relative to the standard deviation of what is compared
OUTPUTS, GRADIENTS = 1e-5, 1e-4


def randomize(model: nn.Module) -> nn.Module:
    """Random weights under which every parameter matters and nothing saturates, and evaluation mode."""
    generator = torch.Generator().manual_seed(1)
    for name, parameter in model.named_parameters():
        noise = torch.randn(parameter.shape, generator=generator)
        if name.endswith('weight') and parameter.ndim > 1:
            noise /= math.sqrt(parameter[0].numel())
        elif name.endswith('weight'):  # scale of a norm
            noise = 1 + 0.2 * noise
        else:  # biases, tokens, positions
            noise *= 0.5
        parameter.data = noise
    return model.eval()


def our_logits(source: Any, config: dict, state_dict: dict[str, Tensor], x: Tensor) -> Tensor:
    """Logits of our backbone and head for a config of a source and a state dict in our names."""
    backbone = MODELS.build(source.backbone_cfg(config)).eval()
    backbone.load_state_dict({name: state_dict[f'backbone.{name}'] for name in backbone.state_dict()})
    head = RecognitionHead(CLASSES, backbone.embed_dims).eval()
    head.load_state_dict({k[9:]: v for k, v in state_dict.items() if k.startswith('cls_head.')})
    return head(backbone(x))


def logits_and_tokens(reference: nn.Module, x: Tensor, forward: Callable) -> tuple[Tensor, Tensor]:
    """Logits of a reference and all tokens after its last norm."""
    tokens = []
    norm = [module for module in reference.modules() if isinstance(module, nn.LayerNorm)][-1]
    hook = norm.register_forward_hook(lambda module, args, output: tokens.append(output))
    logits = forward(reference, x)
    hook.remove()
    return logits, tokens[0]


def assert_close(ours: Tensor, theirs: Tensor, tolerance: float, name: str, scale: float | None = None) -> None:
    """The largest difference is within `tolerance` of `scale`, which defaults to the standard deviation of theirs."""
    assert ours.shape == theirs.shape, name
    difference = (ours - theirs).abs().max().item() / (scale or theirs.std().item())
    assert difference <= tolerance, f'{name} differs by {difference:.1e}'


def assert_equal(
    source: Any,
    config: dict,
    reference: nn.Module,
    forward: Callable,
    backbone: nn.Module,
    state_dict: dict[str, Tensor],
    x: Tensor,
    scale: Callable[[str, Tensor], float | None],
    names: Callable[[dict], dict] = dict,
) -> None:
    """All tokens and the logits in fp32; gradients of the input and of all parameters in fp64.

    In fp32 a near tie of a max pooling can fall out differently and turn a gradient, so that fp64 tells more.

    Args:
        source: Source of the reference's weights.
        config: Config of the reference.
        reference: Their model.
        forward: Its logits, from the model and an input.
        backbone: Ours with the same weights, which returns all tokens.
        state_dict: Those weights by our names.
        x: Input.
        scale: Scale of a gradient's tolerance, from our name and their gradient; None for its standard deviation.
        names: Names of a checkpoint for those of the reference.
    """
    with torch.no_grad():
        logits, theirs = logits_and_tokens(reference, x, forward)
        assert_close(backbone(x)[0], theirs.flatten(1, -2), OUTPUTS, 'tokens')
        assert_close(our_logits(source, config, state_dict, x), logits, OUTPUTS, 'logits')

    reference.double(), backbone.double()
    x = x.double().requires_grad_()
    x_ours = x.detach().clone().requires_grad_()
    theirs = logits_and_tokens(reference, x, forward)[1].flatten(1, -2)
    (ours,) = backbone(x_ours)
    weight = torch.randn_like(theirs)
    (theirs * weight).sum().backward()
    (ours * weight).sum().backward()
    assert_close(x_ours.grad, x.grad, GRADIENTS, 'gradient of the input')
    gradients = {k: torch.zeros_like(p) if p.grad is None else p.grad for k, p in reference.named_parameters()}
    gradients = source.state_dict(names(gradients))
    for name, parameter in backbone.named_parameters():
        expected = gradients[f'backbone.{name}']
        assert_close(parameter.grad, expected, GRADIENTS, f'gradient of {name}', scale(name, expected))


def run_mmaction(reference: nn.Module, x: Tensor) -> Tensor:
    return reference.cls_head(reference.backbone(x))


def run_mmpretrain(reference: nn.Module, x: Tensor) -> Tensor:
    return reference.head(reference.neck(reference.backbone(x)))

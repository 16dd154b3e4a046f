"""Layer-wise learning rate decay for models of all OpenMMLab packages.

Paper: Hiera (https://arxiv.org/abs/2306.00989).
"""

from functools import partial
from typing import Annotated

from mmpretrain.engine.optimizers import LearningRateDecayOptimWrapperConstructor
from torch import nn

from mmhvt.engine.config_options import paramwise_problems
from mmhvt.registry import OPTIM_WRAPPER_CONSTRUCTORS
from mmhvt.utils.option_types import Check


def _problem(paramwise_cfg: dict) -> str | None:
    return next((f': {text}' for _, text in paramwise_problems(dict(paramwise_cfg=paramwise_cfg))), None)


@OPTIM_WRAPPER_CONSTRUCTORS.register_module()
class LayerDecayOptimWrapperConstructor(LearningRateDecayOptimWrapperConstructor):
    """mmpretrain's layer-wise learning rate decay (Clark et al., 2020) for any model that has a ``backbone``.

    mmpretrain's constructor calls ``get_layer_depth`` of the model, which its own classifiers have, but mmaction2's
    recognizers and mmdet's detectors lack. This one calls ``model.backbone.get_layer_depth(name, 'backbone.')``, which
    returns ``(layer_id, num_layers)``, with ``num_layers - 1`` for parameters outside the backbone. Learning rates are
    multiplied by ``layer_decay_rate ** (num_layers - 1 - layer_id)``, so that heads and necks train at the full rate.

    Args:
        optim_wrapper_cfg: Config of the optimizer wrapper. The optimizer needs a `weight_decay`.
        paramwise_cfg: Options of mmpretrain's constructor: ``layer_decay_rate``, ``flat_decay_mult`` (for parameters of
            one dimension), ``norm_decay_mult``, ``bias_decay_mult``, ``custom_keys``. ``custom_keys`` also accepts
            ``lr_mult``, which mmpretrain ignores: a factor of the learning rate that replaces the layer's (Hiera,
            appendix A.2: 0.5 for the position embeddings at 448²). Defaults to None.

    Raises:
        TypeError: If the model has no backbone, or the backbone no ``get_layer_depth``.
        ValueError: If the config of the optimizer has no ``weight_decay``.
    """

    def __init__(self, optim_wrapper_cfg: dict, paramwise_cfg: Annotated[dict, Check(_problem)] | None = None) -> None:
        super().__init__(optim_wrapper_cfg, paramwise_cfg)

    def add_params(self, params: list[dict], module: nn.Module, prefix: str = '', **kwargs) -> None:
        """Appends one group per parameter of ``module`` to ``params``."""
        if prefix == '':
            backbone = getattr(module, 'backbone', None)
            get_layer_depth = getattr(backbone, 'get_layer_depth', None)
            if get_layer_depth is None:
                raise TypeError(
                    'layer-wise decay needs a model whose backbone has get_layer_depth, but '
                    f'{type(module).__name__}.backbone is {type(backbone).__name__}'
                )
            if self.base_wd is None:
                raise ValueError('layer-wise decay needs weight_decay in the config of the optimizer; it may be 0')
            kwargs['get_layer_depth'] = partial(get_layer_depth, prefix='backbone.')
        known = len(params)
        super().add_params(params, module, prefix=prefix, **kwargs)
        for group in params[known:]:
            if 'lr_mult' in group:
                group['lr_scale'] = group.pop('lr_mult')
                group['lr'] = self.base_lr * group['lr_scale']

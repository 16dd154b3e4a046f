"""Layer-wise learning rates for models of every OpenMMLab task."""

from functools import partial

from mmpretrain.engine.optimizers import LearningRateDecayOptimWrapperConstructor
from torch import nn

from mmhvt.registry import OPTIM_WRAPPER_CONSTRUCTORS


@OPTIM_WRAPPER_CONSTRUCTORS.register_module()
class LayerDecayOptimWrapperConstructor(LearningRateDecayOptimWrapperConstructor):
    """mmpretrain's layer-wise decay for any model that has a ``backbone`` (Clark et al., 2020).

    mmpretrain's constructor asks the model for ``get_layer_depth``, which its own classifiers
    have and mmaction2's recognizers and mmdet's detectors have not. This one asks
    ``model.backbone.get_layer_depth(name, 'backbone.')``, by the contract of mmpretrain's
    backbones: ``(layer_id, num_layers)``, with ``num_layers - 1`` for what is outside the
    backbone. The learning rate is multiplied by ``layer_decay_rate ** (num_layers - 1 - layer_id)``,
    so heads and necks train at the full one.

    ``paramwise_cfg`` is mmpretrain's: ``layer_decay_rate``, ``flat_decay_mult`` (for parameters
    of one dimension), ``norm_decay_mult``, ``bias_decay_mult``, ``custom_keys``. In ``custom_keys``
    it also takes ``lr_mult``, which mmpretrain's ignores: the factor of the learning rate of the
    parameters with that key, in place of the layer's (papers/smvit, appendix A.2: 0.5 for the
    position embeddings at 448²).

    Raises:
        TypeError: If the model has no backbone, or the backbone no ``get_layer_depth``.
        ValueError: If the optimizer's config has no ``weight_decay``.
    """

    def add_params(self, params: list[dict], module: nn.Module, prefix: str = '', **kwargs) -> None:
        """Append one group a parameter of ``module`` to ``params``."""
        if prefix == '':
            backbone = getattr(module, 'backbone', None)
            if not hasattr(backbone, 'get_layer_depth'):
                raise TypeError(
                    f'layer-wise decay needs a model whose backbone has get_layer_depth, and '
                    f'{type(module).__name__}.backbone is {type(backbone).__name__}'
                )
            if self.base_wd is None:
                raise ValueError('layer-wise decay needs weight_decay in the config of the optimizer; 0 for none')
            kwargs['get_layer_depth'] = partial(backbone.get_layer_depth, prefix='backbone.')
        known = len(params)
        super().add_params(params, module, prefix=prefix, **kwargs)
        for group in params[known:]:
            if 'lr_mult' in group:
                group['lr_scale'] = group.pop('lr_mult')
                group['lr'] = self.base_lr * group['lr_scale']

"""Registries of scope ``mmhvt``, children of MMEngine's.

``type='mmhvt.SMViT'`` finds its class from any ``default_scope``: a name with a scope makes
MMEngine import ``<scope>.registry``, and the registry imports its ``locations`` when it is
first asked.
"""

from mmengine.registry import DATASETS as MMENGINE_DATASETS
from mmengine.registry import HOOKS as MMENGINE_HOOKS
from mmengine.registry import METRICS as MMENGINE_METRICS
from mmengine.registry import MODELS as MMENGINE_MODELS
from mmengine.registry import OPTIM_WRAPPER_CONSTRUCTORS as MMENGINE_OPTIM_WRAPPER_CONSTRUCTORS
from mmengine.registry import TRANSFORMS as MMENGINE_TRANSFORMS
from mmengine.registry import Registry

MODELS = Registry('model', parent=MMENGINE_MODELS, scope='mmhvt', locations=['mmhvt.models'])
DATASETS = Registry('dataset', parent=MMENGINE_DATASETS, scope='mmhvt', locations=['mmhvt.datasets'])
TRANSFORMS = Registry('transform', parent=MMENGINE_TRANSFORMS, scope='mmhvt', locations=['mmhvt.datasets'])
HOOKS = Registry('hook', parent=MMENGINE_HOOKS, scope='mmhvt', locations=['mmhvt.engine'])
METRICS = Registry('metric', parent=MMENGINE_METRICS, scope='mmhvt', locations=['mmhvt.evaluation'])
OPTIM_WRAPPER_CONSTRUCTORS = Registry(
    'optimizer wrapper constructor',
    parent=MMENGINE_OPTIM_WRAPPER_CONSTRUCTORS,
    scope='mmhvt',
    locations=['mmhvt.engine'],
)

__all__ = ['DATASETS', 'HOOKS', 'METRICS', 'MODELS', 'OPTIM_WRAPPER_CONSTRUCTORS', 'TRANSFORMS']

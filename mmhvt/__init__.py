"""Hierarchical video transformers for OpenMMLab.

Importing this package costs nothing: the registries of :mod:`mmhvt.registry` import what they
hold when a config first names one of it, and :mod:`mmhvt.compat` runs at interpreter start,
where it must not pull in torch.
"""

from .version import __version__

__all__ = ['__version__']

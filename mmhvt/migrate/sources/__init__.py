"""Sources by family and repository. Importing a module registers its sources."""

from . import hiera, mvit, swin, uniformerv2, vit

__all__ = ['hiera', 'mvit', 'swin', 'uniformerv2', 'vit']

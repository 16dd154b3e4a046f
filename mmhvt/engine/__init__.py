"""Hooks and constructors of optimizers."""

from .hooks import CheckpointCheckHook, NumClassesCheckHook, UnreadableVideoHook
from .optimizers import LayerDecayOptimWrapperConstructor

__all__ = [
    'CheckpointCheckHook',
    'LayerDecayOptimWrapperConstructor',
    'NumClassesCheckHook',
    'UnreadableVideoHook',
]

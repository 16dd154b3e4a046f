"""Hooks and constructors of optimizers."""

from .hooks import CheckpointCheckHook, KeyFramesCheckHook, NumClassesCheckHook, UnreadableVideoHook
from .optimizers import LayerDecayOptimWrapperConstructor

__all__ = [
    'CheckpointCheckHook',
    'KeyFramesCheckHook',
    'LayerDecayOptimWrapperConstructor',
    'NumClassesCheckHook',
    'UnreadableVideoHook',
]

"""Hooks, optimizer constructors and learning rate schedulers."""

from mmhvt.utils.lazy import lazy_attributes

__getattr__, __dir__, __all__ = lazy_attributes(
    __name__,
    {
        'hooks': [
            'CheckpointCheckHook',
            'CheckpointHook',
            'ClassNamesCheckHook',
            'ConfigCheckHook',
            'ExactResumeHook',
            'FiniteLossHook',
            'KeyFramesCheckHook',
            'NumClassesCheckHook',
            'ScheduleCheckHook',
            'UnreadableVideoHook',
        ],
        'optimizers': ['LayerDecayOptimWrapperConstructor'],
        'schedulers': ['WarmupCosineLR'],
    },
)

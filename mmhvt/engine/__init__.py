"""Hooks, optimizer constructors, learning rate schedulers and strategies."""

from mmhvt.utils.lazy import lazy_attributes

__getattr__, __dir__, __all__ = lazy_attributes(
    __name__,
    {
        'hooks': [
            'BatchVisualizationHook',
            'CheckpointCheckHook',
            'CheckpointHook',
            'ClassNamesCheckHook',
            'CompileHook',
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
        'strategies': ['FSDPStrategy'],
    },
)

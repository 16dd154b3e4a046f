"""Hooks that check inputs: checkpoints, classes, key frames, schedules and videos."""

from mmhvt.utils.lazy import lazy_attributes

__getattr__, __dir__, __all__ = lazy_attributes(
    __name__,
    {
        'batch_visualization_hook': ['BatchVisualizationHook'],
        'checkpoint_check_hook': ['CheckpointCheckHook'],
        'checkpoint_hook': ['CheckpointHook'],
        'class_names_check_hook': ['ClassNamesCheckHook'],
        'compile_hook': ['CompileHook'],
        'config_check_hook': ['ConfigCheckHook'],
        'exact_resume_hook': ['ExactResumeHook'],
        'finite_loss_hook': ['FiniteLossHook'],
        'key_frames_check_hook': ['KeyFramesCheckHook'],
        'num_classes_check_hook': ['NumClassesCheckHook'],
        'schedule_check_hook': ['ScheduleCheckHook'],
        'unreadable_video_hook': ['UnreadableVideoHook'],
    },
)

"""Hooks that find bad input before it does harm."""

from .checkpoint_check_hook import CheckpointCheckHook
from .key_frames_check_hook import KeyFramesCheckHook
from .num_classes_check_hook import NumClassesCheckHook
from .unreadable_video_hook import UnreadableVideoHook

__all__ = ['CheckpointCheckHook', 'KeyFramesCheckHook', 'NumClassesCheckHook', 'UnreadableVideoHook']

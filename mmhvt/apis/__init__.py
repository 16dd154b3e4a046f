"""Inference on videos for scripts and notebooks: reading and drawing, recognition, detection of actions."""

from mmhvt.utils.lazy import lazy_attributes

__getattr__, __dir__, __all__ = lazy_attributes(
    __name__,
    {
        'actions': ['ActionFinder', 'KeyFrameFinder', 'PersonDetector'],
        'detect': ['detect_actions'],
        'inferencer': ['ActionRecogInferencer', 'MMAction2Inferencer'],
        'labeling': ['recognize_videos'],
        'recognition': ['ClipLabels', 'ClipRecognizer', 'Label', 'LabeledClip', 'label_clips', 'recognize'],
        'streams': ['FrameSource', 'RecentFrames'],
        'videos': ['Video', 'write_video'],
    },
)

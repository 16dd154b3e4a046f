_base_ = ['default_runtime.py']

# makes type='mmhvt.…' known, and the detector, which stands on mmdet
custom_imports = dict(
    imports=['mmhvt', 'mmhvt.models.detectors'], allow_failed_imports=False)

default_hooks = dict(
    # before the first step: are the key frames that are tested those that the metric counts?
    key_frames_check=dict(type='mmhvt.KeyFramesCheckHook'))

_base_ = ['default_runtime.py']

default_hooks = dict(
    # before the first step: are the key frames that are tested those that the metric counts?
    key_frames_check=dict(type='mmhvt.KeyFramesCheckHook'))

_base_ = ['mmaction::_base_/default_runtime.py']

# makes type='mmhvt.…' known
custom_imports = dict(imports=['mmhvt'], allow_failed_imports=False)

# Checks of what goes in (docs/bad_input.md). They stand among the default hooks, so that a config
# with custom_hooks of its own keeps them; default_hooks=dict(checkpoint_check=None) leaves one out.
default_hooks = dict(
    # before the first step: do the labels of the annotation files fit num_classes of the head?
    num_classes_check=dict(type='mmhvt.NumClassesCheckHook'),
    # load_from, resume and test: is the checkpoint whole, and is it this model's?
    checkpoint_check=dict(type='mmhvt.CheckpointCheckHook'),
    # names videos that cannot be read, and counts at the epoch's end the samples they cost
    unreadable_video=dict(type='mmhvt.UnreadableVideoHook'))

_base_ = ['mmpretrain::_base_/default_runtime.py']

# makes type='mmhvt.…' known
custom_imports = dict(imports=['mmhvt'], allow_failed_imports=False)

# Checks of what goes in (docs/bad_input.md); a hook set to None is left out
default_hooks = dict(
    # before the first step: do the labels of the images fit num_classes of the head?
    num_classes_check=dict(type='mmhvt.NumClassesCheckHook'),
    # load_from, resume and test: is the checkpoint whole, and is it this model's?
    checkpoint_check=dict(type='mmhvt.CheckpointCheckHook'))

_base_ = ['mmpretrain::_base_/default_runtime.py']

# makes type='mmhvt.…' known
custom_imports = dict(imports=['mmhvt'], allow_failed_imports=False)

# load_from, resume and test: is the checkpoint whole, and is it this model's?
default_hooks = dict(checkpoint_check=dict(type='mmhvt.CheckpointCheckHook'))

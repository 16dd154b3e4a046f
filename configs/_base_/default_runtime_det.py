_base_ = ['mmdet::_base_/default_runtime.py']

# makes type='mmhvt.…' known
custom_imports = dict(imports=['mmhvt'], allow_failed_imports=False)

default_hooks = dict(
    # load_from, resume and test: is the checkpoint whole, and is it this model's?
    checkpoint_check=dict(type='mmhvt.CheckpointCheckHook'),
    # do the classes of the data fit num_classes of the heads?
    num_classes_check=dict(type='NumClassCheckHook'))

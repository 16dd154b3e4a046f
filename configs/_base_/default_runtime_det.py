_base_ = ['mmdet::_base_/default_runtime.py']

# makes type='mmhvt.…' known, and what stands on mmdet itself
custom_imports = dict(
    imports=['mmhvt', 'mmhvt.models.detectors'], allow_failed_imports=False)

default_hooks = dict(
    # one for each epoch takes much room
    checkpoint=dict(max_keep_ckpts=3),
    # load_from, resume and test: is the checkpoint whole, and is it this model's?
    checkpoint_check=dict(type='mmhvt.CheckpointCheckHook'),
    # do the classes of the data fit num_classes of the heads?
    num_classes_check=dict(type='NumClassCheckHook'))

_base_ = ['mmpretrain::_base_/default_runtime.py']

# makes type='mmhvt.…' known
custom_imports = dict(imports=['mmhvt'], allow_failed_imports=False)

# Checks of the input (docs/guides/bad_input.md); enabled=False leaves a hook out
default_hooks = dict(
    # writes beside the old one, which is removed last; resume=True finds the newest complete one. The last three are
    # kept: 200 epochs of MViTv2-L would fill 500 GB.
    checkpoint=dict(type='mmhvt.CheckpointHook', max_keep_ckpts=3),
    # before the first step: do the labels of the images fit num_classes of the head?
    num_classes_check=dict(type='mmhvt.NumClassesCheckHook'),
    # is a key of the config misspelled, which the runner would ignore?
    config_check=dict(type='mmhvt.ConfigCheckHook'),
    # load_from, resume and test: is the checkpoint whole, and is it this model's?
    checkpoint_check=dict(type='mmhvt.CheckpointCheckHook'),
    # does the schedule fit max_epochs, and the learning rate the batch?
    schedule_check=dict(type='mmhvt.ScheduleCheckHook'),
    # a resumed run ends with the weights of one that was not interrupted (docs/guides/training.md)
    exact_resume=dict(type='mmhvt.ExactResumeHook'),
    # compile=True compiles the backbone, not the logging (docs/guides/training.md)
    compile=dict(type='mmhvt.CompileHook'),
    # stops at a loss that is NaN or infinite, and writes no checkpoint of such weights
    finite_loss=dict(type='mmhvt.FiniteLossHook'))

# set anew: mmpretrain's browse_dataset.py passes on all arguments, including those that inheriting from mmpretrain adds
visualizer = dict(_delete_=True, type='UniversalVisualizer', vis_backends=[dict(type='LocalVisBackend')])

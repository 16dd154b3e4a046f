_base_ = ['mmdet::_base_/default_runtime.py']

# makes type='mmhvt.…' known
custom_imports = dict(imports=['mmhvt'], allow_failed_imports=False)

default_hooks = dict(
    # writes beside the old one, which is removed last; resume=True finds the newest complete one. The last three are
    # kept.
    checkpoint=dict(type='mmhvt.CheckpointHook', max_keep_ckpts=3),
    # is a key of the config misspelled, which the runner would ignore?
    config_check=dict(type='mmhvt.ConfigCheckHook'),
    # load_from, resume and test: is the checkpoint whole, and is it this model's?
    checkpoint_check=dict(type='mmhvt.CheckpointCheckHook'),
    # do the classes of the data fit num_classes of the heads?
    num_classes_check=dict(type='NumClassCheckHook'),
    # do training, validation and test have the same classes?
    class_names_check=dict(type='mmhvt.ClassNamesCheckHook'),
    # does the schedule fit max_epochs, and the learning rate the batch?
    schedule_check=dict(type='mmhvt.ScheduleCheckHook'),
    # a resumed run ends with the weights of one that was not interrupted (docs/guides/training.md)
    exact_resume=dict(type='mmhvt.ExactResumeHook'),
    # compile=True compiles the backbone, not the logging (docs/guides/training.md)
    compile=dict(type='mmhvt.CompileHook'),
    # stops at a loss that is NaN or infinite, and writes no checkpoint of such weights
    finite_loss=dict(type='mmhvt.FiniteLossHook'))

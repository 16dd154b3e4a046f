_base_ = ['default_runtime.py']

# makes type='mmhvt.…' known, and the detector, which stands on mmdet
custom_imports = dict(
    imports=['mmhvt', 'mmhvt.models.detectors'], allow_failed_imports=False)

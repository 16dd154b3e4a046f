# Tests the whole picture, not its centre: 30.5 mAP in the paper (mvitv2, table A.2).
_base_ = 'mvitv2-base-p244_k600-pre_64xb8-32x3x1-30e_ava22-rgb.py'

test_pipeline = _base_.test_pipeline
test_pipeline.pop(4)  # CenterCrop
test_dataloader = dict(dataset=dict(pipeline=test_pipeline))

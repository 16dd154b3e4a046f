# Tests the whole picture, not its center: 32.3 mAP in the paper (mvitv2, table A.2).
_base_ = 'mvitv2-base-p244_k700-pre_64xb8-32x3x1-30e_ava22-rgb.py'

test_pipeline = [
    _base_.clip,
    dict(type='mmhvt.KeepWholeProposals'),
    dict(type='RawFrameDecode'), *_base_.whole_picture
]
test_dataloader = dict(dataset=dict(pipeline=test_pipeline))

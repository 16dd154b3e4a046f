# Tests the whole picture, not its center: 27.6 mAP in the paper (mvitv2, table A.2).
_base_ = 'mvitv2-small-p244_k400-pre_64xb8-16x4x1-30e_ava22-rgb.py'

test_pipeline = [
    _base_.clip,
    dict(type='mmhvt.KeepWholeProposals'),
    dict(type='RawFrameDecode'), *_base_.whole_picture
]
test_dataloader = dict(dataset=dict(pipeline=test_pipeline))

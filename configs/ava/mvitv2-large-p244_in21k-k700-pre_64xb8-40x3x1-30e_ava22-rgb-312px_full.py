# Tests the whole picture, not its center: 34.4 mAP in the paper (mvitv2, table A.2).
_base_ = 'mvitv2-large-p244_in21k-k700-pre_64xb8-40x3x1-30e_ava22-rgb-312px.py'

test_pipeline = [
    _base_.clip,
    dict(type='mmhvt.KeepWholeProposals'),
    dict(type='RawFrameDecode'),
    dict(type='Resize', scale=(-1, 312)),
    dict(type='FormatShape', input_format='NCTHW', collapse=True),
    _base_.pack
]
test_dataloader = dict(dataset=dict(pipeline=test_pipeline))

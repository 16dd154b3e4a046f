# ViT-B on clips of 8 frames of 224² pixels (mvit, tables 1 and 3a), the baseline of MViT, trained
# from scratch as MViT is (section 4.1, "identical settings").
_base_ = 'mvit_base.py'

model = dict(
    backbone=dict(
        _delete_=True,
        type='mmhvt.MViT',
        arch='vit_base',
        input_size=(8, 224, 224),
        drop_path_rate=0.2))

# The smallest SMViT, pre-trained on generated videos, fine-tuned on 40 of them with labels: the last
# step of `make demo-mae`. But for the weights it is smvit-micro_1xb16-8x2x1-8e_moving-shapes-40-rgb.py.
_base_ = ['smvit-micro_1xb16-8x2x1-8e_moving-shapes-40-rgb.py']

model = dict(
    backbone=dict(
        init_cfg=dict(
            _delete_=True,
            type='Pretrained',
            checkpoint='work_dirs/mae_smvit-micro_1xb32-8x2x1-8e_moving-shapes-rgb/epoch_8.pth')))

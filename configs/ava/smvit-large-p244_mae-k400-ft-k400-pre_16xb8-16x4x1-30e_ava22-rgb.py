# SMViT-L on AVA v2.2 from Kinetics-400, "pre-trained and fine-tuned" (A.1): 39.8 mAP in the paper (table 7). Numbers
# are table 13's; 16 frames with stride 4 are those of Kinetics.
_base_ = [
    '../_base_/models/action_detector.py',
    '../_base_/datasets/ava22.py',
    '../_base_/schedules/sgd_layer-decay_30e_ava.py',
    '../_base_/default_runtime_ava.py'
]

model = dict(
    backbone=dict(
        type='mmhvt.SMViT',
        arch='large',
        input_size=(16, 224, 224),
        drop_path_rate=0.4,
        # SlowFast slowfast/models/video_model_builder.py
        norm_last=True,
        # the public weights, CC BY-NC 4.0
        init_cfg=dict(
            type='Pretrained',
            checkpoint='https://dl.fbaipublicfiles.com/hiera/hiera_large_16x224.pth')),
    # dropout 0.5 and binary cross-entropy are in the base
    roi_head=dict(bbox_head=dict(in_channels=1152)))

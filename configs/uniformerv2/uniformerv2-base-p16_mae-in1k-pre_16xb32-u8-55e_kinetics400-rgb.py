# UniFormerV2-B/16 on Kinetics-400 from MAE of ImageNet-1K, 8 frames: 78.8 top-1 in the paper (table 8).
_base_ = [
    '../_base_/models/uniformerv2_base.py',
    '../_base_/datasets/kinetics400.py',
    '../_base_/pipelines/uniformerv2.py',
    '../_base_/schedules/adamw_55e_uniformerv2.py',
    '../_base_/default_runtime.py'
]

# ours: as pre-trained, before any fine-tuning
pretrained = 'https://dl.fbaipublicfiles.com/mae/pretrain/mae_pretrain_vit_base.pth'

model = dict(
    backbone=dict(
        vit='vit',
        init_cfg=dict(checkpoint=pretrained)))

train_dataloader = dict(
    batch_size=32,  # 512 clips in all with 16 GPUs
    dataset=dict(pipeline=_base_.train_pipeline))
val_dataloader = dict(dataset=dict(pipeline=_base_.val_pipeline))
test_dataloader = dict(dataset=dict(pipeline=_base_.test_pipeline))

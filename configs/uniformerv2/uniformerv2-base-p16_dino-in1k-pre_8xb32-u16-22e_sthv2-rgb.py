# UniFormerV2-B/16 on Something-Something V2 from DINO of ImageNet-1K, 16 frames: 65.8 top-1 in the
# paper (table 8).
_base_ = [
    '../_base_/models/uniformerv2_base_sth.py',
    '../_base_/datasets/sthv2_repeat2.py',
    '../_base_/pipelines/uniformerv2_sth.py',
    '../_base_/schedules/adamw_22e_uniformerv2.py',
    '../_base_/default_runtime.py'
]

pretrained = 'https://dl.fbaipublicfiles.com/dino/dino_vitbase16_pretrain/dino_vitbase16_pretrain.pth'

model = dict(
    backbone=dict(
        vit='vit',
        init_cfg=dict(checkpoint=pretrained)))

train_dataloader = dict(
    batch_size=16,  # videos, 32 clips a GPU: 128 videos in all with 8 GPUs
    dataset=dict(pipeline=_base_.train_pipeline))
val_dataloader = dict(dataset=dict(pipeline=_base_.val_pipeline))
test_dataloader = dict(dataset=dict(pipeline=_base_.test_pipeline))

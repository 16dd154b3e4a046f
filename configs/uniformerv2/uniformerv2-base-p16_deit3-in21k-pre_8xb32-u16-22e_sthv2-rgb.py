# UniFormerV2-B/16 on Something-Something V2 from DeiT III of ImageNet-21K, 16 frames: 66.5 top-1 in the
# paper (table 8).
_base_ = [
    '../_base_/models/uniformerv2_base_sth.py',
    '../_base_/datasets/sthv2_repeat2.py',
    '../_base_/pipelines/uniformerv2_sth.py',
    '../_base_/schedules/adamw_22e_uniformerv2.py',
    '../_base_/default_runtime.py'
]

# pre-trained on ImageNet-21K, fine-tuned on -1K: no other is public
pretrained = 'https://dl.fbaipublicfiles.com/deit/deit_3_base_224_21k.pth'

model = dict(
    backbone=dict(
        vit='deit3',
        init_cfg=dict(checkpoint=pretrained)))

train_dataloader = dict(
    batch_size=16,  # videos, 32 clips a GPU: 128 videos in all with 8 GPUs
    dataset=dict(pipeline=_base_.train_pipeline))
val_dataloader = dict(dataset=dict(pipeline=_base_.val_pipeline))
test_dataloader = dict(dataset=dict(pipeline=_base_.test_pipeline))

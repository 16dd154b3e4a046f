# UniFormerV2-B/16 on Something-Something V2 from BEiT of ImageNet-22K, 16 frames: 67.7 top-1 in the
# paper (table 8).
_base_ = [
    '../_base_/models/uniformerv2_base_sth.py',
    '../_base_/datasets/sthv2_repeat2.py',
    '../_base_/pipelines/uniformerv2_sth.py',
    '../_base_/schedules/adamw_22e_uniformerv2.py',
    '../_base_/default_runtime.py'
]

# beit_base_patch16_224_pt22k_ft22k of its authors, who have moved it several times; ours, since the paper does not say
# whether it saw labels
pretrained = 'work_dirs/beit_base_patch16_224_pt22k_ft22k.pth'

model = dict(
    backbone=dict(
        vit='beit',
        init_cfg=dict(checkpoint=pretrained)))

train_dataloader = dict(
    batch_size=16,  # videos, 32 clips a GPU: 128 videos in all with 8 GPUs
    dataset=dict(pipeline=_base_.train_pipeline))
val_dataloader = dict(dataset=dict(pipeline=_base_.val_pipeline))
test_dataloader = dict(dataset=dict(pipeline=_base_.test_pipeline))

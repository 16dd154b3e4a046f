# UniFormerV2-B/16 on Kinetics-400 from BEiT of ImageNet-22K, 8 frames: 82.2 top-1 in the paper (table
# 8).
_base_ = [
    '../_base_/models/uniformerv2_base.py',
    '../_base_/datasets/kinetics400.py',
    '../_base_/pipelines/uniformerv2.py',
    '../_base_/schedules/adamw_55e_uniformerv2.py',
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
    batch_size=32,  # 512 clips in all with 16 GPUs
    dataset=dict(pipeline=_base_.train_pipeline))
val_dataloader = dict(dataset=dict(pipeline=_base_.val_pipeline))
test_dataloader = dict(dataset=dict(pipeline=_base_.test_pipeline))

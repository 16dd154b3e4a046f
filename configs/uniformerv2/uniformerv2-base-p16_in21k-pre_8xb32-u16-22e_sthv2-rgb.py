# UniFormerV2-B/16 on Something-Something V2 from ViT of ImageNet-21K, 16 frames: 67.5 top-1 in the
# paper (table 8).
_base_ = [
    '../_base_/models/uniformerv2_base_sth.py',
    '../_base_/datasets/sthv2_repeat2.py',
    '../_base_/pipelines/uniformerv2_sth.py',
    '../_base_/schedules/adamw_22e_uniformerv2.py',
    '../_base_/default_runtime.py'
]

# that of timm (Steiner et al.); the paper cites the first ViT
pretrained = ('https://storage.googleapis.com/vit_models/augreg/'
              'B_16-i21k-300ep-lr_0.001-aug_medium1-wd_0.1-do_0.0-sd_0.0.npz')

model = dict(
    backbone=dict(
        vit='vit',
        init_cfg=dict(checkpoint=pretrained)))

train_dataloader = dict(
    batch_size=16,  # videos, 32 clips a GPU: 128 videos in all with 8 GPUs
    dataset=dict(pipeline=_base_.train_pipeline))
val_dataloader = dict(dataset=dict(pipeline=_base_.val_pipeline))
test_dataloader = dict(dataset=dict(pipeline=_base_.test_pipeline))

# UniFormerV2-B/16 on Kinetics-400 from ViT of ImageNet-21K, 16 frames: 83.4 top-1 in 3 × 4 views in the
# paper (table 1).
_base_ = [
    '../_base_/models/uniformerv2_base.py',
    '../_base_/datasets/kinetics400.py',
    '../_base_/pipelines/uniformerv2_u16.py',
    '../_base_/schedules/adamw_55e_uniformerv2.py',
    '../_base_/default_runtime.py'
]

# that of timm (Steiner et al.); the paper cites the first ViT
pretrained = ('https://storage.googleapis.com/vit_models/augreg/'
              'B_16-i21k-300ep-lr_0.001-aug_medium1-wd_0.1-do_0.0-sd_0.0.npz')

model = dict(
    backbone=dict(
        input_size=(16, 224, 224),
        vit='vit',
        init_cfg=dict(checkpoint=pretrained)))

train_dataloader = dict(
    batch_size=16,  # 512 clips in all with 32 GPUs
    dataset=dict(pipeline=_base_.train_pipeline))
val_dataloader = dict(dataset=dict(pipeline=_base_.val_pipeline))
test_dataloader = dict(dataset=dict(pipeline=_base_.test_pipeline))

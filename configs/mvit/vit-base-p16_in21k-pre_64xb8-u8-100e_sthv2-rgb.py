# ViT-B with 8 frames, the baseline of MViT, on Something-Something V2 from ImageNet-21K: 63.5 top-1 in 3 × 1 views in
# the paper (table 6), trained as MViT is (D.4).
_base_ = [
    '../_base_/models/vit_base.py',
    '../_base_/datasets/sthv2.py',
    '../_base_/pipelines/mvit_sthv2.py',
    '../_base_/schedules/sgd_100e_sthv2.py',
    '../_base_/default_runtime.py'
]

# ViT-B/16 of Dosovitskiy et al., pre-trained on ImageNet-21K. Its positions are repeated for each
# frame as the file is loaded.
pretrained = 'https://storage.googleapis.com/vit_models/imagenet21k/ViT-B_16.npz'

model = dict(
    backbone=dict(
        drop_path_rate=0.4,
        init_cfg=dict(type='Pretrained', checkpoint=pretrained)),
    cls_head=dict(num_classes=174))

clip = dict(type='UniformSample', clip_len=8)
train_pipeline = [
    dict(type='mmhvt.DecordInit'),
    clip,
    dict(type='DecordDecode'), *_base_.augment
]
val_pipeline = [
    dict(type='mmhvt.DecordInit'),
    dict(test_mode=True, **clip),
    dict(type='DecordDecode'), *_base_.center_crop
]
# 3 spatial × 1 temporal views
test_pipeline = [
    dict(type='mmhvt.DecordInit'),
    dict(test_mode=True, **clip),
    dict(type='DecordDecode'), *_base_.three_crops
]
train_dataloader = dict(
    batch_size=8,  # 512 in all with 64 GPUs
    dataset=dict(pipeline=train_pipeline))
val_dataloader = dict(dataset=dict(pipeline=val_pipeline))
test_dataloader = dict(dataset=dict(pipeline=test_pipeline))

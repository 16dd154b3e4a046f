# SMViT-H on Places365 at 448²: 60.6 top-1 in the paper (table 9).
# Appendix A.2 for the position embeddings; the rest is as for 224².
_base_ = [
    '../_base_/models/smvit_base_image_transfer.py',
    '../_base_/datasets/places365.py',
    '../_base_/pipelines/smvit_image_448px.py',
    '../_base_/schedules/adamw_layer-decay_50e_imagenet.py',
    '../_base_/default_runtime_image.py'
]

# position embeddings are resized as the file is loaded
model = dict(
    backbone=dict(
        arch='huge',
        input_size=(448, 448),
        drop_path_rate=0.3,
        # the public weights of masked pre-training, CC BY-NC 4.0
        init_cfg=dict(
            type='Pretrained',
            checkpoint='https://dl.fbaipublicfiles.com/hiera/mae_hiera_huge_224.pth')),
    head=dict(
        num_classes=365,
        in_channels=2048))

train_dataloader = dict(
    batch_size=8,  # 1024 in all with 128 GPUs
    dataset=dict(pipeline=_base_.train_pipeline))
val_dataloader = dict(dataset=dict(pipeline=_base_.test_pipeline))
test_dataloader = val_dataloader

optim_wrapper = dict(
    paramwise_cfg=dict(
        # searched in 0.875, 0.9, 0.925, not printed: the middle
        layer_decay_rate=0.9,
        # half of the full learning rate "instead of following the layer-wise decay rule"
        custom_keys=dict(pos_embed=dict(lr_mult=0.5))))

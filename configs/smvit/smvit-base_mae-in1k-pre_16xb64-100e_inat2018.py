# SMViT-B on iNaturalist 2018: 77.9 top-1 in the paper (table 9). The paper adjusts learning rate and epochs to each
# dataset and does not print the results (appendix A.2), so those of table A1(b) are used here.
_base_ = [
    '../_base_/models/smvit_base_image_transfer.py',
    '../_base_/datasets/inat.py',
    '../_base_/pipelines/smvit_image.py',
    '../_base_/schedules/adamw_layer-decay_100e_imagenet.py',
    '../_base_/default_runtime_image.py'
]

data_root = 'data/inat2018'

model = dict(
    backbone=dict(
        # the public weights of masked pre-training, CC BY-NC 4.0
        init_cfg=dict(
            type='Pretrained',
            checkpoint='https://dl.fbaipublicfiles.com/hiera/mae_hiera_base_224.pth')),
    head=dict(num_classes=8142))

train_dataloader = dict(
    batch_size=64,  # 1024 in all with 16 GPUs
    dataset=dict(data_root=data_root, pipeline=_base_.train_pipeline))
val_dataloader = dict(
    dataset=dict(data_root=data_root, pipeline=_base_.test_pipeline))
test_dataloader = val_dataloader

# searched in 0.875, 0.9, 0.925, not printed: the middle
optim_wrapper = dict(paramwise_cfg=dict(layer_decay_rate=0.9))

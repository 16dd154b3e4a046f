# Fine-tunes SMViT-B on your own images, from Hiera's weights of ImageNet-1K (CC BY-NC 4.0). A config sets
#   model = dict(head=dict(num_classes=…))
# and, if they are not in the folders of ../datasets/own_images.py, where the images are. train_cfg.max_epochs sets the
# whole schedule, train_dataloader.batch_size the learning rate.
_base_ = [
    '../models/smvit_base_image.py',
    '../datasets/own_images.py',
    '../pipelines/smvit_image.py',
    '../schedules/adamw_layer-decay_finetune.py',
    '../default_runtime_image.py'
]

model = dict(
    backbone=dict(
        init_cfg=dict(
            type='Pretrained',
            checkpoint='https://dl.fbaipublicfiles.com/hiera/hiera_base_224.pth')),
    # no blending of classes, with few epochs on few images
    train_cfg=None)

train_dataloader = dict(dataset=dict(pipeline=_base_.train_pipeline))
val_dataloader = dict(dataset=dict(pipeline=_base_.test_pipeline))
test_dataloader = dict(dataset=dict(pipeline=_base_.test_pipeline))

default_hooks = dict(checkpoint=dict(save_best='auto', max_keep_ckpts=3))

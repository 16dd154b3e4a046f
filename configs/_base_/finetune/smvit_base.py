# Fine-tunes SMViT-B on your own videos, from Hiera's weights of Kinetics-400 (CC BY-NC 4.0). A config sets
#   model = dict(cls_head=dict(num_classes=…))
# and, if they are not in the folders of ../datasets/own_videos.py, where the videos are. train_cfg.max_epochs sets the
# whole schedule, train_dataloader.batch_size the learning rate.
_base_ = [
    '../models/smvit_base_finetune.py',
    '../datasets/own_videos.py',
    '../pipelines/smvit.py',
    '../schedules/adamw_layer-decay_finetune.py',
    '../default_runtime.py'
]

model = dict(
    # no blending of classes, with few epochs on few videos
    data_preprocessor=dict(blending=None),
    backbone=dict(
        init_cfg=dict(
            type='Pretrained',
            checkpoint='https://dl.fbaipublicfiles.com/hiera/hiera_base_16x224.pth')))

train_dataloader = dict(dataset=dict(pipeline=_base_.train_pipeline))
val_dataloader = dict(dataset=dict(pipeline=_base_.val_pipeline))
test_dataloader = dict(dataset=dict(pipeline=_base_.test_pipeline))

default_hooks = dict(checkpoint=dict(save_best='auto', max_keep_ckpts=3))

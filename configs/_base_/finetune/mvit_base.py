# Fine-tunes MViT-B on your own videos, from torchvision's weights of Kinetics-400. A config sets
#   model = dict(cls_head=dict(num_classes=…))
# and, if they are not in the folders of ../datasets/own_videos.py, where the videos are. train_cfg.max_epochs sets the
# whole schedule, train_dataloader.batch_size the learning rate.
_base_ = [
    '../models/mvit_base.py',
    '../datasets/own_videos.py',
    '../pipelines/mvit.py',
    '../schedules/adamw_layer-decay_finetune.py',
    '../default_runtime.py'
]

model = dict(
    # no blending of classes, with few epochs on few videos
    data_preprocessor=dict(blending=None),
    backbone=dict(
        init_cfg=dict(
            type='Pretrained',
            checkpoint='https://download.pytorch.org/models/mvit_v1_b-dbeb1030.pth')))

train_dataloader = dict(dataset=dict(pipeline=_base_.train_pipeline))
val_dataloader = dict(dataset=dict(pipeline=_base_.val_pipeline))
test_dataloader = dict(dataset=dict(pipeline=_base_.test_pipeline))

default_hooks = dict(checkpoint=dict(save_best='auto', max_keep_ckpts=3))

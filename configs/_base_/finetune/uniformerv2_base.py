# Fine-tunes UniFormerV2-B/16 on your own videos, from mmaction2's weights of Kinetics-710 and -400. A config sets
#   model = dict(cls_head=dict(num_classes=…))
# and, if they are not in the folders of ../datasets/own_videos.py, where the videos are. train_cfg.max_epochs sets the
# whole schedule, train_dataloader.batch_size the learning rate.
_base_ = [
    '../models/uniformerv2_base.py',
    '../datasets/own_videos.py',
    '../pipelines/uniformerv2.py',
    '../schedules/adamw_layer-decay_finetune.py',
    '../default_runtime.py'
]

model = dict(
    backbone=dict(
        init_cfg=dict(
            type='Pretrained',
            checkpoint=(
                'https://download.openmmlab.com/mmaction/v1.0/recognition/uniformerv2/'
                'uniformerv2-base-p16-res224_clip-kinetics710-pre_8xb32-u8_kinetics400-rgb/'
                'uniformerv2-base-p16-res224_clip-kinetics710-pre_8xb32-u8_kinetics400-rgb_20230313-75be0806.pth'))))

train_dataloader = dict(dataset=dict(pipeline=_base_.train_pipeline))
val_dataloader = dict(dataset=dict(pipeline=_base_.val_pipeline))
test_dataloader = dict(dataset=dict(pipeline=_base_.test_pipeline))

default_hooks = dict(checkpoint=dict(save_best='auto', max_keep_ckpts=3))

# MViTv2-L 40×3 on Kinetics-700 at 312², from 16×4 at 224²: all as for Kinetics-400 (B.4).
_base_ = 'mvitv2-large-p244_k400-16x4-pre_64xb2-40x3x1-30e_kinetics400-rgb-312px.py'

pretrained = 'work_dirs/mvitv2-large-p244_in21k-pre_128xb4-16x4x1-75e_kinetics700-rgb/epoch_75.pth'

model = dict(
    backbone=dict(init_cfg=dict(checkpoint=pretrained)),
    cls_head=dict(
        num_classes=700,
        init_cfg=dict(checkpoint=pretrained)))

train_dataloader = dict(
    dataset=dict(
        ann_file='data/kinetics700/kinetics700_train_list_videos.txt',
        data_prefix=dict(video='data/kinetics700/videos_train'),
        num_classes=700))
val_dataloader = dict(
    dataset=dict(
        ann_file='data/kinetics700/kinetics700_val_list_videos.txt',
        data_prefix=dict(video='data/kinetics700/videos_val'),
        num_classes=700))
test_dataloader = dict(
    dataset=dict(
        ann_file='data/kinetics700/kinetics700_val_list_videos.txt',
        data_prefix=dict(video='data/kinetics700/videos_val'),
        num_classes=700))

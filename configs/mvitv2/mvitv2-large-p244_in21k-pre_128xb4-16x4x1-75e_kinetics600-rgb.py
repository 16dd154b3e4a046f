# MViTv2-L 16×4 on Kinetics-600 from ImageNet-21K: all as for Kinetics-400 (B.4).
_base_ = 'mvitv2-large-p244_in21k-pre_128xb4-16x4x1-75e_kinetics400-rgb.py'

model = dict(
    data_preprocessor=dict(blending=dict(num_classes=600)),
    cls_head=dict(num_classes=600))

train_dataloader = dict(
    dataset=dict(
        ann_file='data/kinetics600/kinetics600_train_list_videos.txt',
        data_prefix=dict(video='data/kinetics600/videos_train'),
        num_classes=600))
val_dataloader = dict(
    dataset=dict(
        ann_file='data/kinetics600/kinetics600_val_list_videos.txt',
        data_prefix=dict(video='data/kinetics600/videos_val'),
        num_classes=600))
test_dataloader = dict(
    dataset=dict(
        ann_file='data/kinetics600/kinetics600_val_list_videos.txt',
        data_prefix=dict(video='data/kinetics600/videos_val'),
        num_classes=600))

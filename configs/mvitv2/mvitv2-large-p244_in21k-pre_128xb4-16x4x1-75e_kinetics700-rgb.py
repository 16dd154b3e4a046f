# MViTv2-L 16×4 on Kinetics-700 from ImageNet-21K: all as for Kinetics-400 (B.4).
_base_ = 'mvitv2-large-p244_in21k-pre_128xb4-16x4x1-75e_kinetics400-rgb.py'

model = dict(
    data_preprocessor=dict(blending=dict(num_classes=700)),
    cls_head=dict(num_classes=700))

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

# Masked pre-training of SMViT-L on Kinetics-700: all as for Kinetics-400 (table 11(a)).
_base_ = 'mae_smvit-large-p244_64xb8-16x4x1-1600e_kinetics400-rgb.py'

train_dataloader = dict(
    dataset=dict(
        ann_file='data/kinetics700/kinetics700_train_list_videos.txt',
        data_prefix=dict(video='data/kinetics700/videos_train')))
